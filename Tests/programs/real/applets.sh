# SPDX-License-Identifier: Apache-2.0
# Forty and more applets, each after its name. Run by a shell of the same binary in a folder of
# its own. $1: that binary.
box=$1
step() { printf '== %s\n' "$1"; shift; "$@"; printf 'status %s\n' "$?"; }
a() { applet=$1; shift; printf '== %s\n' "$applet"; "$box" "$applet" "$@"; printf 'status %s\n' "$?"; }

"$box" seq 1 500 >numbers
"$box" awk 'BEGIN { for (i = 0; i < 300; i++) print "word" i % 37, i * 7 % 101 }' >words
a echo plain words
a printf '%05d|%s|%x\n' 42 text 255
a cat numbers words
a head -n 3 numbers
a tail -n 3 numbers
a wc numbers words
a sort -k2n -k1 words
a uniq -c numbers
a cut -d' ' -f2 words
a tr a-z A-Z <words
a rev words
a tac numbers
a nl numbers
a od -An -tx1 -N64 words
a hexdump -C -n 64 words
a md5sum numbers words
a sha1sum numbers
a sha256sum words
a sha512sum words
a cksum numbers
a base64 words
a grep -c 'word1' words
a sed -n 's/word\([0-9]*\)/\1-word/p' words
a awk '{ sum[$1] += $2 } END { for (i = 0; i < 37; i++) print i, sum["word" i] }' words
a expr 6 '*' 7
a seq 3 3 30
a factor 360360 65537
a basename /usr/lib/file.so .so
a dirname /usr/lib/file.so
a mkdir -p one/two/three
a touch one/file
a cp words one/two/copy
a mv one/two/copy one/two/three/moved
a ln -s three/moved one/two/link
a ln one/two/three/moved one/hard
a readlink one/two/link
a cat one/two/link
printf '== find\n'
"$box" find one -type f | "$box" sort
a stat -c '%F %s %a' one/two/three/moved
a chmod 640 one/file
a stat -c '%a' one/file
a diff numbers words
a cmp numbers words
a paste numbers numbers
a fold -w 11 words
a ls -1d [!l]*
a tar cf all.tar one numbers
printf '== tar\n'
"$box" tar tf all.tar | "$box" sort
a gzip -k numbers
a zcat numbers.gz
a gunzip -c numbers.gz
a bzip2 -k words
a bunzip2 -c words.bz2
a dd if=numbers of=copy bs=100 count=5 status=none
a sha256sum copy
a truncate -s 100 copy
a wc -c copy
a test -f copy
a true
a false
a sleep 0
a env -i A=1 B=2 "$box" env
a xargs -n 50 "$box" echo <numbers
a tee teed <words
a sha256sum teed
a pwd -P >/dev/null
a rm -r one
a rmdir missing
a ls -1d [!l]*
a timeout 5 "$box" echo in time
a unexpand -a words
a expand words
a cal 2 2024
a date -u -d @86400
a dc -e '2 100 ^ p'
a bc </dev/null
a ed numbers <<'END'
1,10p
q
END
a id -u >/dev/null
a uname -s
a yes | "$box" head -n 3
