#!/bin/sh
# t/package/dist.sh OUT: `make dist`, in a copy of the tree, which becomes a repository with one commit. Leaves the tarball in OUT.
set -eu
out=$1
# shellcheck source=t/package/say.sh
. t/package/say.sh
version=$(cat VERSION)
name=wspush-$version.tar.gz
unset SOURCE_DATE_EPOCH
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t.invalid \
    GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t.invalid GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'
git init -q .
git add -A
git commit -q -m 'the tree'
here=$(pwd)

make -s dist 2>"$out/first.err"
cp "build/$name" "$out/"
check "make dist of what is committed has nothing to say" same "$(cat "$out/first.err")" ""

# Another time, place, umask and file times; then without git.
sleep 1
(umask 077 && git clone -q "$here" "$out/clone" && cd "$out/clone" && make -s dist BUILD="$out/b")
check "make dist of a clone with another umask: the same bytes" cmp "$out/$name" "$out/b/$name"
mkdir "$out/bare"
tar -C "$out/bare" -xf "$out/$name"
check "the tarball has one directory, wspush-VERSION" same "$(ls "$out/bare")" "wspush-$version"
(cd "$out/bare/wspush-$version" && make -s dist BUILD="$out/c")
check "make dist in the unpacked tarball, without git: the same bytes" cmp "$out/$name" "$out/c/$name"
check "it has what git has" same "$(tar -tf "$out/$name" | sed "s|^wspush-$version/||" | LC_ALL=C sort)" "$(git ls-files | LC_ALL=C sort)"

echo '/* changed */' >>ws/wsctl.c
rm LICENSE
echo new >unknown
mkdir -p run && echo ignored >run/ignored
make -s dist BUILD="$out/d" 2>"$out/dirty.err"
check "make dist of a dirty tree says so, and what" same "$(cat "$out/dirty.err")" \
    "make dist: this is not committed, and in the tarball as it lies here:
 D LICENSE
 M ws/wsctl.c
?? unknown"
tar -tf "$out/d/$name" | sed "s|^wspush-$version/||" | LC_ALL=C sort >"$out/dirty.list"
tar -tf "$out/$name" | sed "s|^wspush-$version/||" | LC_ALL=C sort >"$out/clean.list"
check "and makes it as the tree lies there" same "$(LC_ALL=C comm -3 "$out/clean.list" "$out/dirty.list" | tr -d '\t')" "LICENSE
unknown"
