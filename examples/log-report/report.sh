#!/bin/sh
# Turns a web server's access log into a few small tables in reports/.
# Each table is one pipeline; awk programs longer than a line have a file of their own.
set -eu

log=access.log
out=reports
mkdir -p "$out"

# The most wanted pages: the seventh field is the path.
awk '{ print $7 }' "$log" |
  sort | uniq -c | sort -k1,1nr -k2 |
  head -n 5 >"$out/pages.txt"

# What went wrong, page by page; 4xx and 5xx are the ninth field.
awk '$9 >= 400 { print $9, $7 }' "$log" |
  sort | uniq -c | sort -k1,1nr -k2 >"$out/errors.txt"

# Visitors, without their addresses: only how many different ones each hour had.
awk '{ split($4, t, ":"); print t[2], $1 }' "$log" |
  sort -u | cut -d ' ' -f 1 | uniq -c |
  awk '{ printf "%s:00  %d visitors\n", $2, $1 }' >"$out/visitors.txt"

# Bytes an hour as a bar chart that a terminal can show.
awk -f bars.awk "$log" >"$out/traffic.txt"

requests=$(wc -l <"$log")
failures=$(awk '{ n += $1 } END { print n + 0 }' "$out/errors.txt")
echo "$requests requests, $failures of them failed; see $out/"
