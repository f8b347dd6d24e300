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
        rooms=$(sed -n 's|^#include "\([a-z]*\)/.*|\1|p' "$file" | sort -u)
        for room in $rooms; do
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
allowed fcgi base client fcgi

# wslay and jansson have one user each, and the rooms that are pure functions do no input or output.
if grep -r '<wslay' ws fcgi --include='*.[ch]' | grep -v '^ws/wire/websocket\.c:'; then
    echo "only ws/wire/websocket.c uses wslay"
    bad=1
fi
if grep -r '<jansson' ws fcgi --include='*.[ch]' | grep -v '^ws/wire/v1\.c:'; then
    echo "only ws/wire/v1.c uses jansson"
    bad=1
fi
if grep -rE '<sys/(socket|epoll|uio)\.h>|<unistd\.h>' ws/wire --include='*.[ch]'; then
    echo "ws/wire is pure functions: no input or output"
    bad=1
fi
# wsctl and the responder speak to the worker through libwspush: its public header, no reply parser and, in wsctl, no socket.
if grep -rE '"client/' ws/ctl ws/wsctl.c fcgi --include='*.[ch]' | grep -v '"client/wspush\.h"' ||
    grep -rE '<hiredis/' ws fcgi --include='*.[ch]' | grep -v '^ws/client/handle\.h:' ||
    grep -rE '<sys/(socket|un)\.h>' ws/ctl ws/wsctl.c; then
    echo "wsctl and fcgi use libwspush by its public header and nothing else; hiredis is its own"
    bad=1
fi
if grep -r '"push/hub_internal\.h"' ws fcgi --include='*.[ch]' | grep -v '^ws/push/hub_*[a-z]*\.c:'; then
    echo "push/hub_internal.h is for the hub's own files"
    bad=1
fi
[ $bad -eq 0 ] && echo "layers: in order"
exit $bad
