# SPDX-License-Identifier: Apache-2.0
# gawk, sed, grep and find on a small tree.
mkdir -p tree/a/b tree/c
for i in $(seq 1 60); do echo "line $i of file number $((i % 7))" >"tree/a/f$i"; done
seq 1 3000 >tree/c/numbers
gawk '{ n[$1 % 10] += $1 } END { PROCINFO["sorted_in"] = "@ind_num_asc"; for (k in n) print k, n[k] }' tree/c/numbers
gawk 'BEGIN { print strftime("%Y", 0, 1), gensub(/(.)(.)/, "\\2\\1", "g", "abcdef"), toupper("x") }'
sed -E -e 's/([0-9]+)/<\1>/g' -e '/<1/!d' tree/c/numbers | tail -n 5
sed -i 's/line/row/' tree/a/f7
cat tree/a/f7
grep -rlE 'number [35]$' tree | sort
grep -c 7 tree/c/numbers
grep -P '^(\d)\1+$' tree/c/numbers | tr '\n' ' '
echo
find tree -type f -size +1k | sort
find tree -name 'f1*' -o -name 'f2?' | sort | wc -l
find tree -type f -print0 | xargs -0 cat | wc
find tree -name 'f5*' -delete
find tree -type f | wc -l
find tree -type d -exec sh -c 'echo "$1"' _ {} \; | sort
