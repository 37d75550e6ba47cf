#!/bin/sh
# SPDX-License-Identifier: MIT
# Whole Debian systems in a folder, to build and test on releases that the machine doesn't run.
#
#   sh tests/tree.sh NAME [-- COMMAND [ARG]...]    makes the tree where it is missing, runs COMMAND
#
#   fresh-bookworm, fresh-trixie the base system and git, nothing else: a copy that is thrown away
#                                afterwards; COMMAND runs in /root, without the source tree
#   debian12                     Debian 12 with all that the tests need
#   lavapipe26                   Debian 13 with Mesa 26 of trixie-backports, newer glslang, headers
#   peers                        Debian testing with the libraries of tests/bench/peers.sh, 4 GB
#
# COMMAND runs in the source tree's root, at the same path as outside, with a build folder of the
# tree's own in the place of build/ (outside it is build-NAME/). Where the machine doesn't allow
# mounts, the source tree is copied in instead, and build/ stays in the tree; a copied file's time
# is kept, so that only what changed is built again.
# The trees lie in VKATTN_CACHE (root: /var/cache/vkattn, others: ~/.cache/vkattn) and are used
# again; they need root or sudo. VKATTN_MIRROR gives another Debian mirror than apt's.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/lib.sh"

# Proxies, certificates and date checks of this machine's apt, for apt inside the tree $1.
carry_apt_settings() {
    apt-config dump --no-empty Acquire |
        grep -E '^Acquire::(https?|ftp|Check-Valid-Until|Check-Date|Retries|ForceIPv)' |
        grep -v 'Proxy-Auto-Detect' >"$1/etc/apt/apt.conf.d/90host" || :
    # Files that these settings name (certificates) must be there inside, too.
    sed -n 's|.*"\(/[^"]*\)";$|\1|p' "$1/etc/apt/apt.conf.d/90host" | while read -r file; do
        [ ! -f "$file" ] || install -D -m 644 "$file" "$1$file"
    done
    [ ! -f /etc/ssl/certs/ca-certificates.crt ] ||
        install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/ca-certificates.crt"
}

# debootstrap downloads with wget, which knows of proxies from the environment alone.
bootstrap() {
    proxy=$(apt-config shell p Acquire::http::Proxy | sed "s/^p='\(.*\)'$/\1/")
    case $proxy in
    http*) export http_proxy="${http_proxy:-$proxy}" https_proxy="${https_proxy:-$proxy}" ;;
    esac
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    PATH=$PATH:/usr/sbin:/sbin debootstrap --variant=minbase --include=ca-certificates,git \
        --keyring=$keyring "$2" "$1" "$3" </dev/null
}

in_tree() {
    tree=$1
    shift
    env -u TMPDIR LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        DEBIAN_FRONTEND=noninteractive chroot "$tree" "$@" </dev/null
}

# What is built against Mesa's libraries must be of Mesa's release ($1 tree). Debian 12 knows none.
prefer_backports() {
    for source in mesa wayland libdrm; do
        printf 'Package: src:%s\nPin: release n=*-backports\nPin-Priority: 500\n\n' $source
    done >"$1/etc/apt/preferences.d/mesa"
}

# Makes the tree $1 of the release $2; $3 is a release whose Mesa it takes, or nothing.
make_tree() {
    from=$(mirror)
    rm -rf --one-file-system "$1.new"
    if ! bootstrap "$1.new" "$2" "$from"; then
        [ "$from" != $default_mirror ] || return 1
        say "$from has no usable $2; trying $default_mirror"
        from=$default_mirror
        rm -rf --one-file-system "$1.new"
        bootstrap "$1.new" "$2" "$from" || return 1
    fi
    carry_apt_settings "$1.new"
    if [ -n "$3" ]; then
        echo "deb $from $3 main" >"$1.new/etc/apt/sources.list.d/backports.list"
        in_tree "$1.new" apt-get -q update
        in_tree "$1.new" apt-get -qy --no-install-recommends install -t "$3" mesa-vulkan-drivers
    fi
    in_tree "$1.new" apt-get -q clean
    touch "$1.new/.vkattn-complete"
    rm -rf --one-file-system "$1"
    mv "$1.new" "$1"
}

# The source tree without ignored files, and the build folder of the last time.
copy_source() {
    rm -rf "$1$top.new"
    mkdir -p "$1$top.new" "$1$top/build"
    (cd "$top" && git -c safe.directory='*' ls-files -zco --exclude-standard |
        tar --null --ignore-failed-read -cT - 2>/dev/null) | tar -xC "$1$top.new"
    mv "$1$top/build" "$1$top.new/build"
    rm -rf "${1:?}$top"
    mv "$1$top.new" "$1$top"
}

# The machine's own /proc, /sys and /dev in the tree $1, where this process may mount them.
mount_system() {
    cp -L /etc/resolv.conf "$1/etc/resolv.conf" 2>/dev/null || :
    [ "$mounts" = yes ] || return 0
    for dir in proc sys dev; do
        mount --rbind "/$dir" "$1/$dir" || say "no /$dir in $1"
    done
}

# $1 tree, $2 user:group, $3 build folder outside, then the command.
enter() {
    tree=$1 owner=$2 outside=$3
    shift 3
    mount_system "$tree"
    prefer_backports "$tree"
    if [ "$mounts" = yes ]; then
        mkdir -p "$tree$top"
        mount --bind "$top" "$tree$top"
        mount --bind "$outside" "$tree$top/build"
    else
        copy_source "$tree"
        chown -R "$owner" "$tree$top"
    fi
    unset VK_DRIVER_FILES VK_ICD_FILENAMES VK_LAYER_PATH VKATTN_BUILD_DIR TMPDIR
    for icd in "$tree"/usr/share/vulkan/icd.d/lvp_icd*.json; do
        [ ! -f "$icd" ] || export VK_DRIVER_FILES="${icd#"$tree"}"
    done
    home=/root
    [ "$owner" = 0:0 ] || home=/tmp
    # shellcheck disable=SC2016
    exec env LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=$home \
        chroot --userspec="$owner" "$tree" sh -c 'cd "$1" && shift && exec "$@"' sh "$top" "$@"
}

throw_away() {
    for dir in proc sys dev; do
        umount -l "$1/$dir" 2>/dev/null || :
    done
    rm -rf --one-file-system "$1"
}

# $1 bare tree, then the command, which sees nothing of the environment out here but the proxies.
enter_copy() {
    copy=$1.used.$$
    trap 'throw_away "$copy"' EXIT
    trap 'exit 130' INT TERM
    cp -a "$1" "$copy"
    shift
    mount_system "$copy"
    # shellcheck disable=SC2016
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
        chroot "$copy" sh -c 'cd /root && exec "$@"' sh "$@"
}

# Called again as root: to make a tree, or in a mount namespace of its own ($2 yes) to enter one.
case ${1:-} in
--make)
    shift
    make_tree "$@"
    exit
    ;;
--enter | --enter-copy)
    action=$1 mounts=$2
    shift 2
    case $action in
    --enter) enter "$@" ;;
    *) enter_copy "$@" ;;
    esac
    exit
    ;;
esac

name=${1:-}
suite='' extra='' also=
case $name in
fresh-bookworm | fresh-trixie) suite=${name#fresh-} ;;
debian12) suite=bookworm ;;
lavapipe26) suite=trixie extra=trixie-backports ;;
peers) suite=testing also=peers ;;
*) die "no tree is called '$name' (fresh-bookworm, fresh-trixie, debian12, lavapipe26, peers)" ;;
esac
shift
[ "${1:-}" != -- ] || shift

cache=$(cache_dir)
tree=$cache/$name
mkdir -p "$cache"
if [ ! -e "$tree/.vkattn-complete" ]; then
    sh "$top/tests/setup.sh" drivers
    say "making $tree (a minute or two)"
    (
        flock 9
        [ -e "$tree/.vkattn-complete" ] ||
            as_root sh "$top/tests/tree.sh" --make "$tree" "$suite" "$extra" >"$tree.log" 2>&1
    ) 9>"$tree.lock" || die "making $tree failed, see $tree.log: $(tail -n 3 "$tree.log")"
fi
[ $# -gt 0 ] || exit 0

# VKATTN_MOUNTS=no does without mounts even where they are allowed.
inside() {
    action=$1
    shift
    if [ "${VKATTN_MOUNTS:-}" != no ] && as_root unshare --mount true 2>/dev/null; then
        as_root unshare --mount --propagation private \
            sh "$top/tests/tree.sh" "$action" yes "$tree" "$@"
    else
        as_root sh "$top/tests/tree.sh" "$action" no "$tree" "$@"
    fi
}

case $name in
fresh-*) inside --enter-copy "$@" ;;
*)
    mkdir -p "$top/build" "$top/build-$name"
    inside --enter 0:0 "$top/build-$name" sh tests/setup.sh build test $also </dev/null ||
        die "can't install packages in $tree; remove it to begin anew"
    inside --enter "$(id -u):$(id -g)" "$top/build-$name" "$@"
    ;;
esac
