# One image for every process: `docker run millrace` is everything in one process, `docker run millrace edge` one service.
# npm's own scripts stay off in every stage: native packages come prebuilt, and `prepare` would build with tools that the
# runtime does not have. What it does is one line of the build stage.
ARG NODE_VERSION=24.21.0

FROM node:${NODE_VERSION}-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY schemas schemas
COPY streams streams
COPY engine engine
COPY stores stores
COPY services services
RUN node services/build.ts

FROM node:${NODE_VERSION}-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:${NODE_VERSION}-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 DATA_DIR=/data LOG_FORMAT=json
WORKDIR /app
COPY LICENSE package.json ./
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/schemas schemas
COPY --from=build /app/streams streams
COPY --from=build /app/engine engine
COPY --from=build /app/stores stores
COPY --from=build /app/services services
RUN install --directory --owner=node --group=node /data
# The image's user `node`, by number for those who check that it is not root.
USER 1000:1000
VOLUME /data
EXPOSE 7070
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 7070}/readyz`).then((reply) => process.exit(reply.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "services/cli/bin.js"]
CMD ["start", "--no-demo"]
