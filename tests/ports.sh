#!/bin/sh
# SPDX-License-Identifier: MIT
# The suite's CPU part on what the machine isn't: another system, processor or C library.
#
#   sh tests/ports.sh [--build | --quick | --all | --vulkan] [--write] [PORT...] [-- CTEST-ARG...]
#
#   windows  x86-64, cross-compiled by mingw-w64, run by Wine
#   arm64    cross-compiled, run by qemu-user
#   musl     this machine's processor (x86-64) with musl in glibc's place
#
#   --build  compiles everything, with warnings as errors, and runs nothing
#   --quick  and runs what takes a minute or so: the command's scripts and the tests of files
#   --all    without it arm64 leaves the sweeps of failing allocations out, which take qemu minutes
#   --vulkan all tests, those with Vulkan on lavapipe, too, where Wine hands it on (on a screen of
#            its own, by Xvfb) or qemu runs it: hours; musl has none
#   --write  puts what was found into tests/results/ports.md
#
# PORT is all three where none is named; CTEST-ARG (-R ops/) chooses among the tests that would run.
# Without --vulkan a port has no Vulkan device: the CPU path alone runs. Of the machine's own
# packages only compilers, Wine, qemu and Xvfb are added. The libraries that the command and
# the tests need are Debian's, unpacked (arm64) or built from Debian's sources, in
# VKATTN_CACHE/ports (see tests/tree.sh). The shaders are compiled here, once, and go to all as
# prebuilt SPIR-V. Each port's programs are listed with their counts, failed tests by name. The last
# line sums up: N passed, N failed, N skipped.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/lib.sh"
cd "$top"
cache=$(cache_dir)/ports
suite=bookworm

# apt with lists of its own, for arm64 and for sources, beside the machine's.
private_apt() {
    mkdir -p "$cache/apt/lists/partial" "$cache/apt/archives/partial"
    : >"$cache/apt/status"
    signed="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    for kind in deb deb-src; do
        echo "$kind $signed $(mirror) $suite main"
    done >"$cache/apt/sources.list"
    cat >"$cache/apt/conf" <<END
Dir::State "$cache/apt";
Dir::State::status "$cache/apt/status";
Dir::Cache "$cache/apt";
Dir::Etc::sourcelist "$cache/apt/sources.list";
Dir::Etc::sourceparts "-";
APT::Architecture "arm64";
APT::Architectures:: "arm64";
APT::Sandbox::User "$(id -un)";
END
    APT_CONFIG=$cache/apt/conf apt-get -qq update
}

# The first lines of a toolchain file: system, processor, compiler, folder of vkattn.pc's like.
toolchain() {
    cat - >toolchain.cmake <<END
set(CMAKE_SYSTEM_NAME $1)
set(CMAKE_SYSTEM_PROCESSOR $2)
set(CMAKE_C_COMPILER $3)
set(CMAKE_FIND_ROOT_PATH $PWD/usr)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(ENV{PKG_CONFIG_LIBDIR} $PWD/usr/lib/$4pkgconfig)
END
}

make_arm64() {
    mkdir debs
    (cd debs && APT_CONFIG=$cache/apt/conf apt-get -qq download libcmocka0 libcmocka-dev libspng0 \
        libspng-dev zlib1g zlib1g-dev libturbojpeg0 libturbojpeg0-dev libvulkan-dev \
        libvulkan-volk-dev)
    for deb in debs/*.deb; do
        dpkg -x "$deb" .
    done
    make_lavapipe
    toolchain Linux aarch64 aarch64-linux-gnu-gcc aarch64-linux-gnu/
    cat >>toolchain.cmake <<END
set(ENV{PKG_CONFIG_SYSROOT_DIR} $PWD)
set(CMAKE_EXE_LINKER_FLAGS_INIT -Wl,-rpath-link,$PWD/lib/aarch64-linux-gnu)
set(CMAKE_CROSSCOMPILING_EMULATOR $PWD/qemu)
END
    cat >qemu <<END
#!/bin/sh
libraries=
for folder in "$PWD" \${VK_ICD_FILENAMES:+"$PWD/lavapipe"}; do
    libraries=\$libraries:\$folder/usr/lib/aarch64-linux-gnu:\$folder/lib/aarch64-linux-gnu
done
exec qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH="\${libraries#:}" "\$@"
END
    chmod +x qemu
}

# The Vulkan loader and lavapipe for arm64, in a folder of their own.
make_lavapipe() {
    mkdir lavapipe lavapipe/debs
    (cd lavapipe/debs && APT_CONFIG=$cache/apt/conf apt-get -qq download mesa-vulkan-drivers \
        libvulkan1 libllvm15 libdrm2 libdrm-amdgpu1 libwayland-client0 libx11-xcb1 libx11-6 \
        libxau6 libxcb1 libxcb-dri3-0 libxcb-present0 libxcb-randr0 libxcb-shm0 libxcb-sync1 \
        libxcb-xfixes0 libxdmcp6 libxshmfence1 libexpat1 libffi8 libedit2 libelf1 libtinfo6 \
        libbsd0 libmd0 libz3-4 libgmp10 libxml2 libicu72 liblzma5 libstdc++6 libgcc-s1 libzstd1 \
        zlib1g)
    for deb in lavapipe/debs/*.deb; do
        dpkg -x "$deb" lavapipe
    done
    rm -r lavapipe/debs
    sed "s|/usr/lib|$PWD/lavapipe&|" lavapipe/usr/share/vulkan/icd.d/lvp_icd.aarch64.json \
        >lavapipe/lavapipe.json
}

# Static libraries from Debian's sources: $1 compiler, $2 ar.
make_libraries() {
    cc=$1 ar=$2
    mkdir -p sources usr/lib/pkgconfig usr/include
    cp -r /usr/include/vulkan /usr/include/vk_video /usr/include/volk.? usr/include
    (cd sources && APT_CONFIG=$cache/apt/conf apt-get -qq --download-only source cmocka libspng \
        libjpeg-turbo zlib && for file in *.orig.tar.?z*; do
        case $file in *.asc) ;; *) tar xf "$file" ;; esac
    done)
    (cd sources/zlib-* && rm -f gz*.c && $cc -O2 -c ./*.c && $ar rc ../../usr/lib/libz.a ./*.o &&
        cp zlib.h zconf.h ../../usr/include)
    (cd sources/libspng-*/spng && $cc -O2 -DSPNG_STATIC -I../../../usr/include -c spng.c &&
        $ar rc ../../../usr/lib/libspng.a spng.o && cp spng.h ../../../usr/include)
    set -- -GNinja -DCMAKE_BUILD_TYPE=Release -DCMAKE_TOOLCHAIN_FILE="$PWD/toolchain.cmake" \
        -DCMAKE_INSTALL_PREFIX="$PWD/usr"
    cmake "$@" -S sources/cmocka-*/ -B sources/cmocka -DWITH_STATIC_LIB=ON -DWITH_EXAMPLES=OFF
    cmake --build sources/cmocka --target cmocka-static
    cp sources/cmocka/src/libcmocka-static.a usr/lib/libcmocka.a
    cp sources/cmocka-*/include/cmocka.h usr/include
    cmake "$@" -S sources/libjpeg-turbo-*/ -B sources/jpeg -DWITH_SIMD=OFF -DENABLE_SHARED=OFF
    cmake --build sources/jpeg --parallel "$(nproc)" --target turbojpeg-static
    cp sources/jpeg/libturbojpeg.a usr/lib
    cp sources/libjpeg-turbo-*/turbojpeg.h usr/include
    package cmocka -lcmocka
    package libturbojpeg -lturbojpeg
    package spng '-lspng -lz -lm' -DSPNG_STATIC
}

# A file for pkg-config: $1 name, $2 what to link, $3 flags.
package() {
    cat >"usr/lib/pkgconfig/$1.pc" <<END
Name: $1
Description: $1
Version: 1
Libs: -L$PWD/usr/lib $2
Cflags: -I$PWD/usr/include ${3:-}
END
}

make_musl() {
    toolchain Linux "$(uname -m)" musl-gcc ''
    make_libraries 'musl-gcc -fPIC -DHAVE_UNISTD_H' ar
}

make_windows() {
    toolchain Windows x86_64 x86_64-w64-mingw32-gcc ''
    cat >>toolchain.cmake <<END
set(CMAKE_C_FLAGS_INIT -D__USE_MINGW_ANSI_STDIO=1)
set(CMAKE_CROSSCOMPILING_EMULATOR $PWD/wine)
END
    # On a loaded machine Wine loses its server now and then, before the program has begun.
    cat >wine <<'END'
#!/bin/sh
said=$(mktemp)
trap 'rm -f "$said"' EXIT
for turn in 1 2 3; do
    code=0
    /usr/lib/wine/wine64 "$@" 2>"$said" || code=$?
    grep -q '^wine client error' "$said" && [ $turn -lt 3 ] || break
    echo "wine: once more: $(head -n 1 "$said")" >&2
done
cat "$said" >&2
exit $code
END
    chmod +x wine
    make_libraries x86_64-w64-mingw32-gcc x86_64-w64-mingw32-ar
}

# Called again with --make: the folder of the port $1. Its paths stand in its files, so that it
# can't be moved there when it is complete.
make_root() {
    [ ! -e "$cache/$1/complete" ] || return 0
    rm -rf "${cache:?}/$1"
    mkdir "$cache/$1"
    cd "$cache/$1"
    private_apt
    "make_$1"
    rm -rf debs sources
    touch complete
}

# What `ctest` is told to run of a port.
choose_tests() {
    case $mode-$1 in
    quick-*) echo "-L cpu -R ^cli/[cfjlo]|^unit/(attr|case|half|json|kern|model|npy|safe|weig)" ;;
    usual-arm64) echo "-L cpu -E ^cli/readme|^unit/memory$" ;;
    vulkan-*) echo "-E ^cli/readme|window$" ;;
    *) echo "-L cpu -E ^cli/readme" ;; # what it compares is this machine's
    esac
}

# One test for each port: everything is compiled, without a warning.
build_on() {
    if VKATTN_CMAKE_FLAGS="$flags" build_in "build-$1" -DVKATTN_TESTS=ON >"$cache/$1.log" 2>&1; then
        echo "1 passed, 0 failed, 0 skipped"
    else
        grep -E 'error|Error' "$cache/$1.log" | head -n 20
        echo "0 passed, 1 failed, 0 skipped"
    fi
}

suite_on() {
    port=$1
    set -- build "$port"
    [ "$mode-$port" != vulkan-windows ] || set -- "$@" test
    sh tests/setup.sh "$@" || exit 1
    if [ ! -e "$cache/$port/complete" ]; then
        say "making $cache/$port (a minute)"
        mkdir -p "$cache"
        (flock 9 && sh tests/ports.sh --make "$port") 9>"$cache/lock" >"$cache/$port.log" 2>&1 ||
            die "making $cache/$port failed: $(tail -n 5 "$cache/$port.log")"
    fi
    flags="${VKATTN_CMAKE_FLAGS:-} -DVKATTN_WERROR=ON -DVKATTN_SPIRV_DIR=$spirv
        -DCMAKE_TOOLCHAIN_FILE=$cache/$port/toolchain.cmake"
    if [ "$mode" = build ]; then
        build_on "$port"
        return
    fi
    # One server for all programs: without it each start takes seconds.
    if [ "$port" = windows ]; then
        export WINEPREFIX="$top/build-ports/wine" WINEDEBUG=-all
        mkdir -p "$WINEPREFIX"
        trap '/usr/lib/wine/wineserver64 -k' EXIT
        { /usr/lib/wine/wineserver64 -p && /usr/lib/wine/wine64 wineboot; } \
            </dev/null >build-ports/wine.log 2>&1
    fi
    unset VK_DRIVER_FILES VK_ICD_FILENAMES
    case $mode-$port in
    vulkan-windows) open_screen ;;
    vulkan-arm64) export VK_ICD_FILENAMES="$cache/arm64/lavapipe/lavapipe.json" ;;
    esac
    status=0
    rm -f "build-$port/results.txt"
    mkdir -p "build-$port"
    say "building and running; what is said goes to build-$port/run.log"
    # Split into words on purpose.
    # shellcheck disable=SC2046,SC2086
    VKATTN_SETUP=none VKATTN_BUILD_DIR=build-$port VKATTN_CMAKE_FLAGS="$flags" \
        sh tests/run.sh $(choose_tests "$port") $ctest_args >"build-$port/run.log" 2>&1 || status=1
    report "$port"
    return $status
}

# A screen of its own for Wine, with a number that is free.
open_screen() {
    rm -f build-ports/display
    Xvfb -displayfd 3 -screen 0 640x480x24 -nolisten tcp 3>build-ports/display \
        >build-ports/xvfb.log 2>&1 &
    trap "kill $!; /usr/lib/wine/wineserver64 -k" EXIT
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ ! -s build-ports/display ] || break
        sleep 1
    done
    DISPLAY=:$(cat build-ports/display)
    export DISPLAY
}

# What made and ran the port $1.
compiler_of() {
    case $1 in
    windows) echo "mingw-w64 gcc $(x86_64-w64-mingw32-gcc -dumpfullversion)," \
        "$(/usr/lib/wine/wine64 --version | cut -d ' ' -f 1)" ;;
    arm64) echo "gcc $(aarch64-linux-gnu-gcc -dumpfullversion)," \
        "$(qemu-aarch64 --version | sed -n 's/.*version \([^ ]*\).*/qemu \1/p')" ;;
    musl) echo "gcc $(musl-gcc -dumpfullversion)," \
        "musl $(dpkg-query -W -f '${Version}' musl-tools | cut -d - -f 1)" ;;
    esac
}

# A line a program of the port $1, then the failed tests and the sum.
report() {
    log=build-$1/run.log
    if [ ! -s "build-$1/results.txt" ]; then
        tail -n 30 "$log"
        return
    fi
    awk '{ printf "%-28s %4d passed %3d failed %3d skipped %5d s\n", $1, $2, $3, $4, $5 }' \
        "build-$1/results.txt"
    sed -n 's/.*\(skipped: .*: .*\)/\1/p' "build-$1/results.xml"
    sed -n '/^failed: /p; $p' "$log"
    [ $write = no ] || {
        ctest --test-dir "build-$1" -N | sed -n 's/^ *Test *#[0-9]*: *//p' >"build-$1/programs.txt"
        sh tests/ports_table.sh "$1" "$(compiler_of "$1")" "build-$1/programs.txt" \
            "build-$1/results.txt"
    }
    say "each test by its name: build-$1/results.xml"
}

if [ "${1:-}" = --make ]; then
    make_root "$2"
    exit
fi
mode=usual write=no ctest_args=
ports=
while [ $# -gt 0 ]; do
    case $1 in
    --build | --quick | --all | --vulkan) mode=${1#--} ;;
    --write) write=yes ;;
    --)
        shift
        ctest_args=$*
        break
        ;;
    *) ports="$ports $1" ;;
    esac
    shift
done
# shellcheck disable=SC2086
set -- ${ports:-windows arm64 musl}
for port in "$@"; do
    case $port in
    windows | arm64 | musl) ;;
    *) die "no port is called '$port' (there are: windows, arm64, musl)" ;;
    esac
done
sh tests/setup.sh build
mkdir -p build-ports
spirv=$(made_shaders)
[ -n "$spirv" ] || {
    spirv=$top/build-ports/spirv
    cmake -S . -B build-ports -GNinja -DVKATTN_COMMAND=OFF -DVKATTN_SAMPLES=OFF &&
        cmake --build build-ports --target vkattn_modules
} >/dev/null || die "the shaders couldn't be compiled"
each_suite suite_on "$@"
