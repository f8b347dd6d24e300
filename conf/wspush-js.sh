#!/bin/sh
# wspush-js.sh DIR writes DIR/wspush.js (an ES module) and DIR/wspush.global.js (for a plain <script>: globalThis.WSPush), made of
# static/wspush.src.js: without comments, indentation, empty lines and spaces around operators (so no text in it may have such),
# and with #a, #b ... for private names, which nothing outside of the class can know, and with the numbers in place of the names
# that lines such as `const A = 1, B = 2;` give them (so no text in it may have these). Statements stay lines. `make static`
# calls it; a test sees that both are up to date and under 4 KB, gzipped.
set -eu
here=$(dirname "$0")/..
out=${1:?usage: conf/wspush-js.sh DIR}

squeezed() {
    awk '
        function short(n) { return (n >= 26 ? short(int(n / 26) - 1) : "") substr("abcdefghijklmnopqrstuvwxyz", n % 26 + 1, 1) }
        /^ *\/\*/ { skips = 1 }
        !skips && /^const [A-Z_]+ = [0-9]+(, [A-Z_]+ = [0-9]+)*;/ {
            sub(/;.*/, "")
            gsub(/^const |[=,]/, "")
            for (i = 1; i < NF; i += 2) names[$i] = $(i + 1)
            next
        }
        !skips && !/^ *\/\// && !/^ *$/ {
            sub(/^ +/, "")
            made = ""
            while (match($0, /#?[A-Za-z_][A-Za-z_0-9]*/)) {
                name = substr($0, RSTART, RLENGTH)
                if (name ~ /^#/ && !(name in names)) names[name] = "#" short(count++)
                made = made substr($0, 1, RSTART - 1) (name in names ? names[name] : name)
                $0 = substr($0, RSTART + RLENGTH)
            }
            printf "%s%s", made $0, /[{(,&|]$/ ? "" : "\n"
        }
        /\*\/ *$/ { skips = 0 }
    ' "$here/static/wspush.src.js" | sed -E 's/ (=>|[=!]==|=|\+=|\?\?=|\|\|=|&&|\|\||\?\??|[-+*<>]|<<|\*\*) /\1/g; s/([,:;]) /\1/g; s/\{ /{/g; s/ \}/}/g; s/\) \{/){/g; s/(if|for|while|catch) \(/\1(/g'
}
says="/* wspush $(cat "$here/VERSION"), MIT. From wspush.src.js */"

{
    echo "$says"
    squeezed
} >"$out/wspush.js"
{
    echo "$says"
    echo '{'
    squeezed | sed 's/^export //'
    echo 'globalThis.WSPush=WSPush}'
} >"$out/wspush.global.js"
