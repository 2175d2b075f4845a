#!/bin/sh
# Builds the static x86_64 musl binary and leaves it at dist/felhom-agent.
# With rustup's musl target this is plain cargo. A Debian machine that has none builds std from Debian's own rust-web-src with
# the matching Debian compiler (compiler and library source must be of one version), and links Debian's musl.
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

# The vectorised arithmetic and the processor's own AES are for servers; here a signature and a passphrase are a rare thing.
small='--cfg curve25519_dalek_backend="serial" --cfg aes_force_soft'

# rustup's std comes built for speed, with unwinding and its backtrace printer, so that this binary is larger than the other.
build_with_rustup() {
    sh $here/ensure.sh rust musl-gcc
    has_rustup_target || { echo "the musl target is not there: rustup target add $target" >&2; exit 1; }
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS="$small" \
        cargo build --release --locked --target $target
    FELHOM_SIZE_LIMIT=${FELHOM_SIZE_LIMIT:-3200000}
    export FELHOM_SIZE_LIMIT
    built=target/$target/release/felhom-agent
}

# rcrt1.o and the S variants of gcc's start files make a static-pie, which musl-gcc's own specs cannot. lld, because it folds functions
# that came out alike into one and packs relocations (120 kB), which start.c applies.
write_linker() {
    musl=/usr/lib/x86_64-linux-musl
    cat > "$link/cc" <<L
#!/bin/sh
exec gcc -fuse-ld=lld -Wl,--icf=all,--pack-dyn-relocs=relr,--no-eh-frame-hdr,-e,start_packed $link/start.o -nostartfiles -L$musl $musl/rcrt1.o $musl/crti.o "\$(gcc -print-file-name=crtbeginS.o)" "\$@" -lgcc "\$(gcc -print-file-name=crtendS.o)" $musl/crtn.o
L
    chmod +x "$link/cc"
    musl-gcc -Os -fPIC -fno-stack-protector -c $here/start.c -o "$link/start.o"
}

# std asks for the stack's frames when it tells of a panic. Nothing unwinds in this binary, so there are none: what stands in for the
# unwinder says so, and 25 kB of one stay out.
write_no_unwinder() {
    cat > "$link/none.c" <<C
int _Unwind_Backtrace(void *each, void *argument) { (void)each; (void)argument; return 5; }
unsigned long _Unwind_GetIP(void *frame) { (void)frame; return 0; }
unsigned long _Unwind_GetIPInfo(void *frame, int *before) { (void)frame; *before = 0; return 0; }
unsigned long _Unwind_GetCFA(void *frame) { (void)frame; return 0; }
void *_Unwind_FindEnclosingFunction(void *pc) { return pc; }
C
    musl-gcc -Os -fPIC -c "$link/none.c" -o "$link/none.o"
    rm -f "$link/libunwind.a"
    ar rcs "$link/libunwind.a" "$link/none.o"
}

build_with_debian() {
    sh $here/ensure.sh cc rustc-web
    link=$PWD/target/musl-link
    mkdir -p "$link"
    write_linker
    write_no_unwinder
    # A subshell: none of this may reach the rustup route or the caller. What makes it small: std built for size, without its
    # backtrace printer and without unwinding; panics that tell their text but not their line (200 kB); derived `Debug` that tells
    # the name alone; and code that occurs often taken out into functions (125 kB together).
    (
        unset RUSTUP_TOOLCHAIN CARGO || :
        export RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1 CC_x86_64_unknown_linux_musl=musl-gcc
        export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER="$link/cc"
        export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS="-C link-self-contained=no -L native=$link $small -C force-unwind-tables=no -C llvm-args=-enable-machine-outliner=always -C llvm-args=-machine-outliner-reruns=5 -Z trap-unreachable=no -Z location-detail=none -Z fmt-debug=shallow"
        /usr/bin/cargo build --release --locked --target $target --target-dir target/musl -Z build-std=std,panic_abort \
            -Z build-std-features=optimize_for_size
    )
    built=target/musl/felhom-agent
    # What C's objects bring for an unwinder that is not there.
    objcopy --remove-section .eh_frame --remove-section .comment target/musl/$target/release/felhom-agent $built
}

case $route in
    rustup) build_with_rustup ;;
    debian) build_with_debian ;;
    *) echo "FELHOM_MUSL is '$route'; allowed: rustup, debian" >&2; exit 2 ;;
esac
mkdir -p dist
cp "$built" dist/felhom-agent
sh $here/check-static.sh dist/felhom-agent
