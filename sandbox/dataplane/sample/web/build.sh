#!/bin/sh
# Rebuilds the sample's two programs from web.c and page.html. Needs gcc and, for
# arm64, Debian's gcc-aarch64-linux-gnu.
set -eu
cd "$(dirname "$0")"
flags="-Os -static -nostdlib -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -fno-builtin -fno-strict-aliasing -fno-pie -no-pie -Wall -Wl,--build-id=none -Wl,-z,noseparate-code -s"
x86_64-linux-gnu-gcc $flags -o web.amd64 web.c
aarch64-linux-gnu-gcc $flags -mno-outline-atomics -o web.arm64 web.c
