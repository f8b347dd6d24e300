#!/bin/sh
# No room includes a room above it: reads the #include lines of every room and of the programs.
set -eu
cd "$(dirname "$0")/.."

# allowed FOLDER ROOM ...: the files of FOLDER include headers of these rooms only.
bad=0
allowed() {
    folder=$1
    shift
    for file in "$folder"/*.[ch] "$folder"/*.def; do
        [ -e "$file" ] || continue
        for room in $(sed -n 's|^#include "\([a-z]*\)/.*|\1|p' "$file" | sort -u); do
            case " $* " in
            *" $room "*) ;;
            *)
                echo "$file includes $room/, which is not below $folder/"
                bad=1
                ;;
            esac
        done
    done
}

below=
for room in base wire loop push engine control; do
    below="$below $room"
    # shellcheck disable=SC2086 # a list
    allowed "ws/$room" $below
done
allowed ws/client base client
allowed ws/ctl base client ctl
allowed fcgi base wire client fcgi

# wslay has one user, and the rooms that are pure functions do no input or output.
for file in $(grep -l '<wslay' -r ws fcgi --include='*.[ch]' | grep -v '^ws/wire/websocket\.c$'); do
    echo "$file uses wslay; only ws/wire/websocket.c does"
    bad=1
done
for file in $(grep -lE '<sys/(socket|epoll|uio)\.h>|<unistd\.h>' -r ws/wire --include='*.[ch]'); do
    echo "$file does input or output; ws/wire is pure functions"
    bad=1
done
[ $bad -eq 0 ] && echo "layers: in order"
exit $bad
