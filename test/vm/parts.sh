# What is shown in the virtual machine; sourced by guest.sh.
# shellcheck shell=bash disable=SC2154

failures=0

# check SENTENCE COMMAND…: the sentence is true when the command succeeds.
check() {
  local sentence=$1
  shift
  if "$@"; then
    say "holds: $sentence"
  else
    say "BROKEN: $sentence"
    failures=$((failures + 1))
  fi
}

hello_in() {
  [ "$("$@" examples/hello.py </dev/null | head -n 1)" = 'Hello from inside the box.' ]
}

# Root at a login, no systemd: the groups go to the nearest group above that can have them.
part_root() {
  enter_login login
  check 'root in a group that holds a shell' hello_in ./sandrun
  check 'nothing stays behind' nothing_stays
  mkdir "$groups/alone"
  check 'root alone in a group' hello_in in_group "$groups/alone" ./sandrun
  check 'the own group is as it was' rmdir "$groups/alone"
  check 'effects' tests test/vm/*.test.ts
  check 'nothing stays behind after that' nothing_stays
  return "$failures"
}

# An ordinary user whose login was delegated nothing; then one group, and the ways to be in it.
part_user() {
  local tree=$groups/user
  enter_login login
  check 'a user without a group of their own is told the mend' \
    told 'systemd-run --user --scope -p Delegate=yes' "${as_user[@]}" ./sandrun examples/hello.py
  check 'the shell that asked still lives, and nothing stays behind' nothing_stays
  delegate "$tree"
  delegate "$tree/session"
  echo $$ >"$tree/session/cgroup.procs"
  check 'a user in a delegated group that holds a shell' hello_in "${as_user[@]}" ./sandrun
  check 'nothing stays behind' nothing_stays
  delegate "$tree-scope"
  check 'a user alone in a delegated group' hello_in in_group "$tree-scope" "${as_user[@]}" ./sandrun
  check 'the own group is as it was' rmdir "$tree-scope"
  check 'a checkout in a home that nobody else may enter' hello_in "${as_user[@]}" /home/user/sandrun/sandrun
  user_refusals
  check 'effects' "${as_user[@]}" "$node" --disable-warning=ExperimentalWarning --test test/vm/*.test.ts
  check 'nothing stays behind after that' nothing_stays
  return "$failures"
}

user_refusals() {
  mv /run/tools/newuidmap /run/tools/hidden
  check 'without newuidmap the mend is told' \
    told 'apt-get install uidmap' "${as_user[@]}" ./sandrun examples/hello.py
  mv /run/tools/hidden /run/tools/newuidmap
  mv /etc/subuid /etc/subuid.hidden
  check 'without a range of ids the mend is told' \
    told 'usermod --add-subuids' "${as_user[@]}" ./sandrun examples/hello.py
  mv /etc/subuid.hidden /etc/subuid
  mkdir -m 700 /home/user/closed
  chown "$uid:$uid" /home/user/closed
  check 'a tree that boxes could not read is refused with the mend' \
    told 'chmod -R o+rX' "${as_user[@]}" ./sandrun --environment closed=/home/user/closed examples/hello.py
}

# told TEXT COMMAND…: fails as the sandbox does, with that text in one line on standard error.
told() {
  local text=$1 said status=0
  shift
  said=$("$@" 2>&1 >/dev/null </dev/null) || status=$?
  printf '%s\n' "$said"
  [ "$status" = 125 ] && [ "$(grep -c -F -- "$text" <<<"$said")" = 1 ]
}

# The tests of the sandbox, as root.
part_sandbox() {
  enter_login login
  check 'test/sandbox' tests 'test/sandbox/**/*.test.ts'
  check 'nothing stays behind' nothing_stays
  return "$failures"
}

nothing_stays() {
  ! find "$groups" -name 'sandrun-*' -o -name warden | grep .
}

# in_group GROUP COMMAND…: with the command as the only process there.
in_group() {
  bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$@"
}
