#!/bin/sh
# Builds the static x86_64 musl binary and leaves it at dist/felhom-agent.
# With rustup's musl target this is plain cargo. A Debian machine that has none builds std from Debian's own rust-web-src with
# the matching Debian compiler (compiler and library source must be of one version), and links Debian's musl and LLVM's
# libunwind: gcc's own unwinder does not work with musl.
# FELHOM_MUSL=rustup|debian chooses the route; without it rustup's is taken where its target is there.
set -eu
cd "$(dirname "$0")/../.."
target=x86_64-unknown-linux-musl
here=contrib/build

has_rustup_target() { [ -d "$(rustc --print sysroot 2>/dev/null)/lib/rustlib/$target/lib" ]; }

route=${FELHOM_MUSL:-}
if [ -z "$route" ]; then
    if has_rustup_target; then route=rustup; else route=debian; fi
fi

# Frame pointers make the unwind tables a third smaller. rustup's std comes built for speed and with its backtrace printer, so that
# this binary is larger than the other.
build_with_rustup() {
    sh $here/ensure.sh rust musl-gcc
    has_rustup_target || { echo "the musl target is not there: rustup target add $target" >&2; exit 1; }
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS="-C force-frame-pointers=yes" \
        cargo build --release --locked --target $target
    FELHOM_SIZE_LIMIT=${FELHOM_SIZE_LIMIT:-3200000}
    export FELHOM_SIZE_LIMIT
    built=target/$target/release/felhom-agent
}

# rcrt1.o and the S variants of gcc's start files make a static-pie, which musl-gcc's own specs cannot.
write_linker() {
    musl=/usr/lib/x86_64-linux-musl
    cat > "$link/cc" <<L
#!/bin/sh
exec gcc -nostartfiles -L$musl $musl/rcrt1.o $musl/crti.o "\$(gcc -print-file-name=crtbeginS.o)" "\$@" -lgcc "\$(gcc -print-file-name=crtendS.o)" $musl/crtn.o
L
    chmod +x "$link/cc"
}

# Debian's libunwind.a was built against glibc and names one symbol of it, in its own abort messages.
write_unwinder() {
    cat > "$link/shim.c" <<C
#include <stdarg.h>
#include <stdio.h>
int __fprintf_chk(FILE *file, int flag, const char *format, ...) {
    (void)flag;
    va_list arguments;
    va_start(arguments, format);
    int written = vfprintf(file, format, arguments);
    va_end(arguments);
    return written;
}
C
    musl-gcc -Os -fPIC -c "$link/shim.c" -o "$link/shim.o"
    cp "$(ls /usr/lib/llvm-*/lib/libunwind.a | sort -V | tail -n 1)" "$link/libunwind.a"
    ar r "$link/libunwind.a" "$link/shim.o" 2>/dev/null
}

build_with_debian() {
    sh $here/ensure.sh cc rustc-web
    link=$PWD/target/musl-link
    mkdir -p "$link"
    write_linker
    write_unwinder
    # A subshell: none of this may reach the rustup route or the caller. What makes it small: std built for size and without its
    # backtrace printer, smaller unwind tables, and panics that tell their text but not their line (200 kB).
    (
        unset RUSTUP_TOOLCHAIN CARGO || :
        export RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1 CC_x86_64_unknown_linux_musl=musl-gcc
        export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER="$link/cc"
        export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS="-C link-self-contained=no -L native=$link -Z use-sync-unwind=yes -C force-frame-pointers=yes -Z location-detail=none"
        /usr/bin/cargo build --release --locked --target $target --target-dir target/musl -Z build-std=std,panic_unwind \
            -Z build-std-features=panic-unwind,optimize_for_size
    )
    built=target/musl/$target/release/felhom-agent
}

case $route in
    rustup) build_with_rustup ;;
    debian) build_with_debian ;;
    *) echo "FELHOM_MUSL is '$route'; allowed: rustup, debian" >&2; exit 2 ;;
esac
mkdir -p dist
cp "$built" dist/felhom-agent
sh $here/check-static.sh dist/felhom-agent
