# SPDX-License-Identifier: Apache-2.0
# What scripts for the plain shell do.
set -u
cat <<END
a here-document with $((6 * 7)) and $(echo a command)
END
cat <<'END'
another with $nothing expanded
END
f() { local x=$1; echo "function $x"; return 3; }
f one || echo "status $?"
for i in 1 2 3; do echo "$i"; done | while read -r n; do echo "read $n"; done
trap 'echo a trap at the end' EXIT
trap 'echo caught USR1' USR1
kill -USR1 $$
(sleep 0.1; echo in the background) &
wait $!
echo "waited: $?"
(exit 7) &
wait $! || echo "child's status $?"
sleep 5 &
kill -TERM $!
wait $! || echo "killed: $?"
case abc in a*) echo matched ;; *) echo not ;; esac
set -- x y z
shift
echo "$# $*"
echo "${unset:-default} ${1#y} ${2%z}"
echo one >file; echo two >>file; cat <file
exec 3<file; read -r line <&3; echo "line $line"; read -r line <&3; echo "line $line"; exec 3<&-
echo "$(( (1 << 20) % 1000 ))"
seq 1 1000 | sort -rn | head -n 2
if [ -s file ] && [ ! -d file ]; then echo a file; fi
mkfifo pipe
(echo through a fifo >pipe) & cat pipe; wait
printf '%s\n' [!l]*
umask 027; : >masked; ls -l masked | cut -c1-10
false | true; echo "pipe $?"
sh -c 'kill -9 $$'; echo "$?"
command -v cat >/dev/null && echo found
exit 5
