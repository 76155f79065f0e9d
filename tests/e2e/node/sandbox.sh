#!/bin/sh
# The first process of the node's own namespaces: gives the node a root filesystem of its own, and lives as long as the node.
# Arguments: an empty folder to work in, then every folder of the machine that stays shared with the tests.
#
# What the node writes goes to memory, and everything is gone with the last process of the namespaces, also after a crash.
set -eu
work=$1
shift

# Its number outside the namespaces: /proc is still the machine's.
read -r pid rest </proc/self/stat

mount -t tmpfs -o mode=0755 node "$work"
mkdir "$work/written" "$work/work" "$work/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/written,workdir=$work/work" "$work/root"
root=$work/root

mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=0755 run "$root/run"
mount -t tmpfs -o mode=0755 dev "$root/dev"
# containerd's and the kubelet's own: an overlay cannot hold the layers of another one.
mkdir -p "$root/var/lib/kubelet" "$root/var/lib/containerd"
mount -t tmpfs -o mode=0755 kubelet "$root/var/lib/kubelet"
mount -t tmpfs -o mode=0755 containerd "$root/var/lib/containerd"

mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/zero" c 1 5
mknod -m 666 "$root/dev/full" c 1 7
mknod -m 666 "$root/dev/random" c 1 8
mknod -m 666 "$root/dev/urandom" c 1 9
mknod -m 666 "$root/dev/tty" c 5 0
mknod -m 600 "$root/dev/kmsg" c 1 11
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"

# The kubelet sets these for the whole machine where they differ. It is shown the values that it wants.
mkdir "$work/tunables"
tunable() {
    [ -e "$root/proc/sys/$1" ] || return 0
    file="$work/tunables/$(echo "$1" | tr / .)"
    echo "$2" >"$file"
    mount --bind "$file" "$root/proc/sys/$1"
}
tunable vm/overcommit_memory 1
tunable vm/panic_on_oom 0
tunable kernel/panic 10
tunable kernel/panic_on_oops 1
tunable kernel/keys/root_maxkeys 1000000
tunable kernel/keys/root_maxbytes 25000000

for folder in "$@"; do
    mkdir -p "$root$folder"
    mount --bind "$folder" "$root$folder"
done

mkdir -p "$root/.machine"
cd "$root"
pivot_root . .machine
exec chroot . /bin/bash -c '
umount -l /.machine
rmdir /.machine
ip link set lo up
sysctl -q -w net.ipv4.ip_forward=1
echo "{\"pid\": $1}"
# bash reaps what is left by others, as process 1 must.
while :; do sleep infinity & wait; done
' node "$pid"
