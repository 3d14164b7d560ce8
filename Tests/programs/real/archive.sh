# SPDX-License-Identifier: Apache-2.0
# Two thousand files into archives and out again.
set -e
mkdir -p in
i=0
while [ $i -lt 2000 ]; do
  [ $((i % 100)) -eq 0 ] && mkdir -p "in/folder$((i / 100))"
  echo "file $i $((i * 7919 % 104729)) $((i * 31 % 977))" >"in/folder$((i / 100))/file$i"
  i=$((i + 1))
done
sort="--sort=name --owner=0 --group=0 --numeric-owner --mtime=@0"
tar $sort -czf all.tar.gz in
tar $sort -cJf all.tar.xz in
tar $sort -cf all.tar in
sha256sum all.tar
mkdir gz xz
tar -xzf all.tar.gz -C gz
tar -xJf all.tar.xz -C xz
diff -r gz xz && echo alike
find gz -type f | wc -l
cat gz/in/folder7/file7*
xz -dc all.tar.xz | sha256sum
