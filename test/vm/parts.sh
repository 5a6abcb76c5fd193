# What is shown in the virtual machine; sourced by guest.sh.
# shellcheck shell=bash disable=SC2154

failures=0

# check SENTENCE COMMAND…: the sentence is true when the command succeeds. Under emulation Node
# itself crashes now and then by a signal (seen: a check in V8's registry of code pages, and a bad
# address); only when the core handler saw that, the command has a second try, and that is told.
check() {
  local sentence=$1 crashes began=$SECONDS
  shift
  crashes=$(node_crashes)
  if "$@" || { [ "$(node_crashes)" != "$crashes" ] && say 'Node crashed; once more' && "$@"; }; then
    say "holds: $sentence ($((SECONDS - began)) s)"
  else
    say "BROKEN: $sentence"
    failures=$((failures + 1))
  fi
}

# Ids of boxes have six digits or more.
of_boxes='[0-9][0-9][0-9][0-9][0-9][0-9]*.*'

node_crashes() {
  find /run/cores -name '*!node' ! -name "$of_boxes" | wc -l
}

# What every part ends with.
nothing_is_left() {
  check 'nothing stays behind' nothing_stays
  check 'no memory of a job reached the core handler' no_cores_of_jobs
  return "$failures"
}

no_cores_of_jobs() {
  ! find /run/cores -name "$of_boxes" | grep .
}

# What groups, ids and the kernel decide: of the box tests those that tell most here for their time.
usual_tests=(files life limits namespaces privileges proc seccomp selfTest sharing slots stopping throttle warden)

# box_tests usual|other WORDS…: each of these files by itself, by a command that begins so; of those
# that were chosen by name, each.
box_tests() {
  local which=$1 file name belongs
  shift
  for name in ${vm_chosen//,/ }; do
    check "test/sandbox/$name.test.ts" timeout 600 "$@" --test-reporter=spec "test/sandbox/$name.test.ts"
  done
  [ -z "$vm_chosen" ] || return 0
  for file in test/sandbox/*.test.ts; do
    name=${file#test/sandbox/} name=${name%.test.ts} belongs=other
    [[ " ${usual_tests[*]} " != *" $name "* ]] || belongs=usual
    [ "$belongs" != "$which" ] || check "$file" timeout 600 "$@" --test-reporter=spec "$file"
  done
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
  check 'a service of root' served_by ./sandrun
  check 'the memory of a service that crashes stays its own' service_leaves_no_core ./sandrun
  check 'limits on v2' "${script[@]}" --test-reporter=spec test/vm/limits.test.ts
  check 'core files' "${script[@]}" --test-reporter=spec test/vm/core.test.ts
  nothing_is_left
}

# An ordinary user whose login was delegated nothing; then one group, and the ways to be in it.
part_user() {
  local tree=$groups/user
  enter_login login
  check 'a user without a group of their own is told the mend' \
    told 'systemd-run --user --scope -p Delegate=yes' "${as_user[@]}" ./sandrun examples/hello.py
  check 'the shell that asked still lives, and nothing stays behind' nothing_stays
  enter_delegated "$tree"
  check 'a user in a delegated group that holds a shell' hello_in "${as_user[@]}" ./sandrun
  check 'nothing stays behind' nothing_stays
  delegate "$tree-scope"
  check 'a user alone in a delegated group' hello_in in_group "$tree-scope" "${as_user[@]}" ./sandrun
  check 'the own group is as it was' rmdir "$tree-scope"
  check 'a checkout in a home that nobody else may enter' hello_in "${as_user[@]}" /home/user/sandrun/sandrun
  user_refusals
  check 'a service of an ordinary user' served_by "${as_user[@]}" ./sandrun
  check 'limits on v2' "${as_user[@]}" "${script[@]}" --test-reporter=spec test/vm/limits.test.ts
  check 'core files' "${as_user[@]}" "${script[@]}" --test-reporter=spec test/vm/core.test.ts
  check 'hostile programs of the kinds that an ordinary user might hold worse than root' \
    "${as_user[@]}" "${script[@]}" test/hostile/run.ts \
    proc/ processes/ privileges/ jobs/ traces/ counts/processes memory/anonymous memory/children
  nothing_is_left
}

user_refusals() {
  mv /usr/bin/newuidmap /usr/bin/hidden
  check 'without newuidmap the mend is told' \
    told 'apt-get install uidmap' "${as_user[@]}" ./sandrun examples/hello.py
  mv /usr/bin/hidden /usr/bin/newuidmap
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

# systemd as the first process, which gives scopes to who asks; for root and for an ordinary user.
part_systemd() {
  local user_run=("${as_user[@]}" "XDG_RUNTIME_DIR=/run/user/$uid" systemd-run --user --quiet --wait --pipe)
  check 'systemd is the first process' test "$(</proc/1/comm)" = systemd
  check 'root gets a scope' found_in 'system.slice/.*scope' ./sandrun
  check 'nothing stays behind' nothing_stays
  start_user_manager
  check 'a user at a terminal of their session gets a scope' \
    found_in 'user-manager.service/.*scope' "${user_run[@]}" --working-directory="$vm_root" \
    bash -c './sandrun "$@"; exit' -
  check 'nothing stays behind' nothing_stays
  check 'a service with a delegated group answers' served_by_unit
  nothing_is_left
}

# What a login does: a runtime directory and a manager with a delegated group.
start_user_manager() {
  install -d -m 755 /run/user
  install -d -m 700 -o "$uid" -g "$uid" "/run/user/$uid"
  systemd-run --quiet --unit=user-manager --property=User=user --property=Delegate=yes \
    --property=Type=notify --setenv="XDG_RUNTIME_DIR=/run/user/$uid" --setenv=HOME=/home/user \
    /lib/systemd/systemd --user --unit=default.target
}

# found_in PATTERN COMMAND…: a job works, and its groups lie below a group of that name meanwhile.
found_in() {
  local pattern=$1 found
  shift
  printf 'import time\nprint("up", flush=True)\ntime.sleep(5)\n' >/tmp/stay.py
  found=$("$@" /tmp/stay.py </dev/null | {
    read -r said && printf '%s ' "$said" && find "$groups" -path '*/sandrun-*/jobs/slot-0'
  })
  printf '%s\n' "$found"
  grep -q "^up .*$pattern" <<<"$found"
}

served_by_unit() {
  systemd-run --quiet --unit=served --property=Delegate=yes --property=KillMode=mixed \
    --property=Type=exec --working-directory="$vm_root" ./sandrun serve --behind-proxy --port 8080 || return 1
  answers systemctl -q is-active served || return 1
  systemctl stop served
  # A unit that failed would still be known.
  ! systemctl -q is-failed served
}

# service_leaves_no_core COMMAND…: the JavaScript of a service crashes, and the handler gets nothing.
service_leaves_no_core() {
  local service node=''
  "$@" serve --behind-proxy --port 8080 &
  service=$!
  answers kill -0 "$service" || return 1
  for node in $(cat "/proc/$service/task/$service/children"); do
    [[ $(readlink "/proc/$node/exe") == */node ]] && break
  done
  kill -SEGV "$node" || return 1
  while [ -e "/proc/$node" ]; do sleep 0.1; done
  # What comes behind it shows that it would have come.
  bash -c 'ulimit -c unlimited; echo $$ >/tmp/crashed; kill -SEGV $$'
  until find /run/cores -name "*.$(</tmp/crashed)!*" ! -name '*.part' | grep -q .; do sleep 0.1; done
  kill -TERM "$service" 2>/dev/null
  wait "$service"
  rm -f /run/cores/*."$(</tmp/crashed)"!*
  ! find /run/cores -name "*.$node!*" | grep .
}

# served_by COMMAND…: a service that the command starts answers, and ends well when told to.
served_by() {
  "$@" serve --behind-proxy --port 8080 &
  local service=$!
  answers kill -0 "$service" || return 1
  kill -TERM "$service"
  wait "$service"
}

# answers ALIVE…: the service becomes healthy, as long as that command succeeds, and runs a job.
answers() {
  until curl -sf -w '\n' http://127.0.0.1:8080/health; do
    "$@" || return 1
    sleep 0.2
  done
  [ "$(curl -s -H 'Content-Type: text/plain' --data 'print(6 * 7)' http://127.0.0.1:8080/run)" = 42 ]
}

# The tests of the sandbox and the hostile programs, as root at a login.
part_sandbox() {
  enter_login login
  box_tests usual "${script[@]}"
  nothing_is_left
}

part_sandbox_other() {
  enter_login login
  box_tests other "${script[@]}"
  nothing_is_left
}

part_hostile() {
  enter_login login
  # shellcheck disable=SC2086 # one word each
  check 'test/hostile' "${script[@]}" test/hostile/run.ts ${vm_chosen//,/ }
  nothing_is_left
}

# The same as an ordinary user.
part_sandbox_user() {
  enter_login login
  enter_delegated "$groups/user"
  box_tests usual "${as_user[@]}" "${script[@]}"
  nothing_is_left
}

part_hostile_user() {
  enter_login login
  enter_delegated "$groups/user"
  # shellcheck disable=SC2086 # one word each
  check 'test/hostile' "${as_user[@]}" "${script[@]}" test/hostile/run.ts ${vm_chosen//,/ }
  nothing_is_left
}

nothing_stays() {
  ! find "$groups" -name 'sandrun-*' -o -name warden | grep .
}

# in_group GROUP COMMAND…: with the command as the only process there.
in_group() {
  bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$@"
}
