#!/bin/sh
# Builds ../static and ../ui/icons_gen.go. Run "npm ci" once, then this. The results are committed, so that building
# Berth needs no Node.
set -eu
cd "$(dirname "$0")"
out=../static/files
mkdir -p "$out" ../static/licences
m=node_modules

npx --no-install tailwindcss -i app.css -o "$out/app.css" --minify
cp $m/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2 "$out/"
cp $m/@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2 "$out/"
cp app.js icon.svg chevron.svg "$out/"

# One file for the libraries: htmx, its event-stream extension and the morphing swap.
{
  echo '/* htmx (0BSD), htmx-ext-sse (0BSD), idiomorph (0BSD) */'
  cat $m/htmx.org/dist/htmx.min.js
  echo ';'
  cat $m/htmx-ext-sse/dist/sse.min.js
  echo ';'
  cat $m/idiomorph/dist/idiomorph-ext.min.js
} > "$out/vendor.js"

cp $m/htmx.org/LICENSE ../static/licences/htmx.txt
cp $m/htmx-ext-sse/LICENSE ../static/licences/htmx-ext-sse.txt
cp $m/idiomorph/LICENSE ../static/licences/idiomorph.txt
cp $m/lucide-static/LICENSE ../static/licences/lucide.txt
cp $m/tailwindcss/LICENSE ../static/licences/tailwindcss.txt
cp $m/@fontsource-variable/inter/LICENSE ../static/licences/inter.txt
cp $m/@fontsource-variable/jetbrains-mono/LICENSE ../static/licences/jetbrains-mono.txt

node icons.mjs
