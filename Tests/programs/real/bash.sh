# SPDX-License-Identifier: Apache-2.0
# What scripts for bash do.
set -uo pipefail
declare -A map=([one]=1 [two]=2 [three]=3)
for key in one two three; do echo "$key ${map[$key]}"; done
list=(a b c "d e")
echo "${#list[@]} ${list[3]} ${list[@]:1:2}"
diff <(seq 1 5) <(seq 2 6)
echo "status $?"
while read -r a b; do echo "$b-$a"; done < <(printf '%s %s\n' 1 x 2 y 3 z)
cat <<<"a here-string"
trap 'echo interrupted' INT
kill -INT $$
trap 'echo leaving' EXIT
jobs_done=0
for i in 1 2 3 4; do (sleep "0.0$i"; exit "$i") & pids[i]=$!; done
for i in 1 2 3 4; do wait "${pids[i]}"; echo "job $i: $?"; done
wait
coproc cat
echo through a coprocess >&"${COPROC[1]}"
read -r line <&"${COPROC[0]}"
echo "$line"
eval "exec ${COPROC[1]}>&-"
wait
sleep 10 & victim=$!
kill -KILL "$victim"; wait "$victim"; echo "victim $?"
printf -v text '%08.3f' 3.14159; echo "$text"
[[ abc123 =~ ^([a-z]+)([0-9]+)$ ]] && echo "${BASH_REMATCH[1]} ${BASH_REMATCH[2]}"
seq 1 20000 | awk '{ s += $1 } END { print s }'
(ulimit -n 64; ulimit -n)
mapfile -t lines < <(seq 1 10); echo "${#lines[@]}"
echo {a,b}{1,2}
echo $((2**40)) "${BASH_VERSINFO[0]}"
false | true; echo "pipefail $?"
set -m
sleep 0.1 &
fg >/dev/null 2>&1; echo "foreground $?"
set +m
bash -c 'kill -SEGV $$' 2>/dev/null; echo "$?"
exit 9
