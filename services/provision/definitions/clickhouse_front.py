"""The ClickHouse HTTP interface, as far as @clickhouse/client and curl use it, over the embedded engine of PyPI chdb-core.

One engine session, one lock: queries run one at a time. Not a ClickHouse server: no users, quotas or roles, no queue of
asynchronous inserts, no system.query_log, no native protocol, no replication, no KILL QUERY.
usage: clickhouse_front.py --port PORT --path FOLDER [--user default --password '']
"""
import argparse, base64, gzip, json, re, threading, time, uuid, zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit, parse_qsl
from chdb import session

NOT_SETTINGS = {'query', 'query_id', 'database', 'default_format', 'session_id', 'session_timeout', 'session_check', 'user',
                'password', 'compress', 'decompress', 'enable_http_compression', 'role', 'quota_key', 'wait_end_of_query',
                'buffer_size', 'http_write_exception_in_output_format', 'send_progress_in_http_headers',
                'http_headers_progress_interval_ms', 'cancel_http_readonly_queries_on_client_close', 'stacktrace',
                'output_format_schema', 'close_session', 'client_protocol_version'}
STATUS = {60: 404, 81: 404, 57: 500, 62: 400, 47: 404, 46: 404, 36: 400, 27: 400, 117: 400, 241: 500, 516: 403, 194: 403, 164: 500}
CT = {'JSON': 'application/json; charset=UTF-8', 'JSONCompact': 'application/json; charset=UTF-8', 'JSONStrings': 'application/json; charset=UTF-8',
      'JSONEachRow': 'application/x-ndjson; charset=UTF-8', 'JSONCompactEachRow': 'application/x-ndjson; charset=UTF-8', 'CSV': 'text/csv; charset=UTF-8; header=absent',
      'TabSeparated': 'text/tab-separated-values; charset=UTF-8', 'Parquet': 'application/octet-stream', 'RowBinary': 'application/octet-stream'}
q = lambda s: "'" + str(s).replace('\\', '\\\\').replace("'", "\\'") + "'"
ident = lambda s: '`' + s.replace('`', '') + '`'
FMT = re.compile(rb"\bFORMAT\s+([A-Za-z][A-Za-z0-9]*)\s*;?\s*(?:SETTINGS\b.*)?$", re.I | re.S)


class Engine:
    def __init__(self, path):
        self.s, self.lock, self.db = session.Session(path), threading.Lock(), None
        self.version = self.s.query('SELECT version()', 'TSV').bytes().decode().strip()
        self.tz = self.s.query('SELECT timezone()', 'TSV').bytes().decode().strip()

    def run(self, sql, fmt, database, settings):
        applied = []
        with self.lock:
            try:
                if database != self.db:
                    self.s.query('USE ' + ident(database)); self.db = database
                for k, v in settings:
                    if not re.fullmatch(r'[A-Za-z_][A-Za-z0-9_]*', k):
                        raise RuntimeError(f'Code: 115. DB::Exception: Unknown setting {k}. (UNKNOWN_SETTING)')
                    self.s.query(f'SET {k} = {q(v)}'); applied.append(k)
                r = self.s.query(sql, fmt)
                return r.bytes() or b'', {'read_rows': r.rows_read(), 'read_bytes': r.bytes_read(), 'written_rows': r.rows_written(),
                                   'written_bytes': r.bytes_written(), 'elapsed_ns': int(r.elapsed() * 1e9)}
            finally:
                for k in applied:
                    if not k.startswith('param_'):
                        try: self.s.query(f'SET {k} = DEFAULT')
                        except Exception: pass


class H(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'; wbufsize = -1; disable_nagle_algorithm = True  # one segment per reply: without it every keep-alive request waits ~45 ms
    def log_message(self, *a): pass

    def body(self):
        te = self.headers.get('Transfer-Encoding', '').lower()
        if 'chunked' in te:
            out = bytearray()
            while True:
                n = int(self.rfile.readline().split(b';')[0].strip() or b'0', 16)
                if n == 0:
                    while self.rfile.readline() not in (b'\r\n', b'\n', b''): pass
                    break
                out += self.rfile.read(n); self.rfile.read(2)
            b = bytes(out)
        else:
            b = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        ce = self.headers.get('Content-Encoding', '').lower()
        if ce == 'gzip': b = gzip.decompress(b)
        elif ce == 'deflate': b = zlib.decompress(b)
        elif ce: raise RuntimeError(f'Code: 35. DB::Exception: Unknown compression {ce}')
        return b

    def reply(self, code, data, headers=None, args=None):
        h = dict(headers or {})
        if args and args.get('enable_http_compression') in ('1', 'true') and 'gzip' in self.headers.get('Accept-Encoding', ''):
            data = gzip.compress(data, 3); h['Content-Encoding'] = 'gzip'
        self.send_response(code)
        for k, v in h.items(): self.send_header(k, v)
        self.send_header('Content-Length', str(len(data))); self.send_header('Connection', 'Keep-Alive'); self.send_header('Keep-Alive', 'timeout=10')
        self.end_headers()
        if self.command != 'HEAD': self.wfile.write(data)

    def authorised(self, args):
        o = self.server.opt
        u, p = self.headers.get('X-ClickHouse-User') or args.get('user'), self.headers.get('X-ClickHouse-Key') or args.get('password')
        a = self.headers.get('Authorization', '')
        if a.startswith('Basic '): u, _, p = base64.b64decode(a[6:]).decode().partition(':')
        return (u or 'default') == o.user and (p or '') == o.password

    def handle_any(self):
        u = urlsplit(self.path); pairs = parse_qsl(u.query, keep_blank_values=True); args = dict(pairs)
        qid = args.get('query_id') or str(uuid.uuid4())
        base = {'X-ClickHouse-Query-Id': qid, 'X-ClickHouse-Server-Display-Name': 'chdb', 'X-ClickHouse-Timezone': self.server.eng.tz, 'Date': self.date_time_string()}
        try:
            data = self.body()
            if u.path in ('/ping', '/replicas_status'): return self.reply(200, b'Ok.\n')
            if not self.authorised(args):
                return self.reply(403, b'Code: 516. DB::Exception: default: Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED) (version %s)\n' % self.server.eng.version.encode(), {**base, 'X-ClickHouse-Exception-Code': '516'})
            if u.path == '/' and not args.get('query') and not data: return self.reply(200, b'Ok.\n')
            sql = args.get('query', '').encode()
            if sql and data: sql = sql.rstrip().rstrip(b';') + b'\n' + data   # INSERT ... FORMAT X + rows
            elif data: sql = data
            head = args.get('query', '').encode() or sql
            m = FMT.search(head[-400:]); fmt = m.group(1).decode() if m else args.get('default_format') or self.headers.get('X-ClickHouse-Format') or 'TabSeparated'
            settings = [(k, v) for k, v in pairs if k not in NOT_SETTINGS]
            db = args.get('database') or self.headers.get('X-ClickHouse-Database') or 'default'
            try: text = sql.decode()
            except UnicodeDecodeError: raise RuntimeError('Code: 27. DB::Exception: binary input formats are not supported by this front (CANNOT_PARSE_INPUT_ASSERTION_FAILED)')
            out, st = self.server.eng.run(text, fmt, db, settings)
            summary = {k: str(v) for k, v in st.items()}; summary.update(result_rows=summary['written_rows'] if st['written_rows'] else '0', total_rows_to_read='0', result_bytes=str(len(out)))
            self.reply(200, out, {**base, 'Content-Type': CT.get(fmt, 'text/plain; charset=UTF-8'), 'X-ClickHouse-Format': fmt, 'X-ClickHouse-Summary': json.dumps(summary)}, args)
        except Exception as e:
            msg = str(e); code = int((re.search(r'Code: (\d+)', msg) or [0, 1002])[1])
            if not msg.startswith('Code:'): msg = f'Code: {code}. DB::Exception: {msg} (UNKNOWN_EXCEPTION)'
            self.reply(STATUS.get(code, 500), f'{msg} (version {self.server.eng.version} (official build))\n'.encode(), {**base, 'X-ClickHouse-Exception-Code': str(code), 'Content-Type': 'text/plain; charset=UTF-8'}, args)
    do_GET = do_POST = do_HEAD = handle_any


class Srv(ThreadingHTTPServer):
    daemon_threads = True; request_queue_size = 128


if __name__ == '__main__':
    ap = argparse.ArgumentParser(); ap.add_argument('--port', type=int, default=18123); ap.add_argument('--path', required=True)
    ap.add_argument('--user', default='default'); ap.add_argument('--password', default=''); o = ap.parse_args()
    eng = Engine(o.path); srv = Srv(('127.0.0.1', o.port), H); srv.eng, srv.opt = eng, o
    import signal; signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=srv.shutdown).start())
    print('listening', o.port, eng.version, flush=True); srv.serve_forever(); eng.s.close()
