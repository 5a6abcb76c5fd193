#!/usr/bin/env bash
# What scripts for bash use: jobs, substitutions, coprocesses, traps, and the usual tools.
set -u
say() { printf '%s\n' "$*"; }

# Expansion, arrays, arithmetic, patterns.
declare -A map=([one]=1 [two]=2)
list=(a "b c" d)
say "${#list[@]} ${list[1]} ${list[@]:1:1} ${!map[*]}" | tr -s ' '
say $((2 ** 40)) $((16#ff)) $((7 % 3)) "${map[two]}"
text='Some/Path.tar.gz'
say "${text##*.}" "${text%%.*}" "${text//[aeiou]/_}" "${text^^}" "${text:5:4}" "${unset_one:-usual}"
[[ $text =~ ([A-Z]).*\.(t.r) ]] && say "${BASH_REMATCH[@]}"
shopt -s extglob nullglob globstar
mkdir -p tree/{x,y}/z && touch tree/{x,y}/z/{1,2}.txt tree/.hidden
say tree/**/*.txt tree/!(y) none*
say {1..5} {a..e..2} ~+ | sed "s|$PWD|PWD|"
printf '%05.2f|%-5s|%q|%x|%(%Y)T\n' 3.14159 ab 'a b' 255 0
mapfile -t lines < <(printf '%s\n' x y z)
say "${#lines[@]}" "${lines[-1]}"
read -r first rest <<<'one two three'
say "$first" "$rest"
cat <<-END | tr a-z A-Z
	here $first
	document
END
select_of() { local IFS=,; say "$*"; }
select_of 1 2 3

# Pipes, files, substitutions.
set -o pipefail
false | true; say "pipefail $?" "${PIPESTATUS[*]}"
diff <(printf 'a\nb\n') <(printf 'a\nc\n'); say "diff $?"
mkfifo ended; printf 'b\na\n' | tee >(sort >sorted; say sorted >ended) >/dev/null; cat ended; say "$(<sorted)"
exec 5<>both; say 'through five' >&5; exec 5>&-; cat both
{ say out; say err >&2; } 2>&1 | sort
set -C; : >clobber; (: >clobber) 2>/dev/null; say "noclobber $?"; set +C
mkfifo fifo; (say 'through a fifo' >fifo) & cat fifo; wait
ls /nowhere 2>/dev/null || say "ls $?"

# Jobs, traps, coprocesses.
sleep 60 & kill %%; wait $!; say "killed $?"
set -m; (exit 3) & wait $!; say "job $?"; set +m
sleep 60 & sleep 60 & say "$(jobs -p | wc -l) jobs"; kill $(jobs -p); wait 2>/dev/null
coproc DOUBLE { while read -r n; do say $((n * 2)); done; }
coprocess=$DOUBLE_PID
say 21 >&"${DOUBLE[1]}"; read -r answer <&"${DOUBLE[0]}"; say "coproc $answer"
eval "exec ${DOUBLE[1]}>&-"; wait "$coprocess"
trap 'say "trapped USR1"' USR1; kill -USR1 $$; trap - USR1
(trap 'say "exit trap $?"' EXIT; exit 4); say "left $?"
trap 'say "ERR at a false"' ERR; false; trap - ERR
timeout 0.1 sleep 60; say "timeout $?"
(ulimit -t 100; ulimit -c 0 2>/dev/null; ulimit -t)
( sleep 0.05; kill -CONT $BASHPID ) & kill -STOP $!; kill -CONT $!; wait $!; say "continued $?"
nohup true 2>/dev/null; say "nohup $?"
setsid --wait sh -c 'exit 9'; say "setsid $?"
bash -c 'kill -TERM $$' ; say "signal $?"
type -t say; command -v sh >/dev/null && say found
f() { return $(($1 + 1)); }; f 41; say "function $?"
exec {fd}>named; say named >&$fd; cat named

# Usual tools.
seq 5 | awk '{ s += $1 } END { print s }'
printf '3\n1\n2\n' | sort -n | paste -sd+ | bc 2>/dev/null || say '1+2+3'
echo abc | sed -E 's/(a)(b)/\2\1/' | rev | cut -c1-2
printf 'x y\n' | xargs -n1 printf '<%s>'; say
printf 'a\nb\n' | xargs -P2 -I{} sh -c 'echo {}' | sort
find tree -name '*.txt' -newer /usr -printf '%f %s\n' | sort -u
tar -cf - tree | tar -tf - | grep -c txt
echo zipped | gzip | gunzip | base64 | base64 -d | sha256sum
dd if=/dev/zero bs=1k count=10 2>/dev/null | wc -c
grep -rc x tree | wc -l; stat -c '%A %h' tree/x/z/1.txt; touch -d @5 old; date -u -r old +%s
TZ=Asia/Tokyo date -d @0 '+%F %T %Z'; expr 6 \* 7; cmp both both && say same
mktemp -u XXXX | wc -c; yes | head -n 3 | uniq -c | tr -s ' '
script=$(command -v script) && "$script" -qec 'test -t 0 && echo terminal' /dev/null </dev/null | tr -d '\r\004\b^D'
flock both -c 'flock -n both true || echo locked'
ln -s both link && readlink -f link | xargs basename; od -An -c <<<'é' | tr -s ' '
say done
