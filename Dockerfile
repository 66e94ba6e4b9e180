# An image of the package. Its commands have been tried in a Debian 13, but not by Docker.
# docker build -t bytecpu . && docker run --rm -v "$PWD:/work" -w /work bytecpu bytecpu-datagen generate --train 1000 --out data
FROM debian:13-slim AS build
COPY . /bytecpu
WORKDIR /bytecpu
RUN ./setup.sh && apt-get install -y --no-install-recommends dpkg-dev file git
RUN cmake --preset package && cmake --build --preset package && cd build/package && cpack -G DEB

FROM debian:13-slim
COPY --from=build /bytecpu/build/package/bytecpu_*.deb /tmp/
RUN apt-get update && apt-get install -y /tmp/bytecpu_*.deb && rm -rf /tmp/*.deb /var/lib/apt/lists/*
