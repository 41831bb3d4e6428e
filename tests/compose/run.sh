#!/usr/bin/env bash
# Runs docker-compose.yml for real: digs as clients of three regions, kills the servers behind a
# load balancer, stops a load balancer, heals both, and looks at the answers each time. Once with
# `docker compose` and once with `docker-compose`, whichever are installed.
#
#   tests/compose/run.sh
#
#   MERIDIAN_BINARY=…       the program for images that are made here (default: cargo build)
#   IMAGES=public|local     how images are made (default: public where a registry can be reached)
#
# Nothing is left running or defined afterwards; images stay, so that the next run is quick.
# Every wait is for a condition. How long a change took is printed and never judged.

set -uo pipefail
cd "$(dirname "$0")/../.." || exit
. tests/compose/images.sh

# Seconds after which a condition that still does not hold is a failure.
PATIENCE=60
NAME=www.shop.example
declare -A SUBNET=(
  [north-america]=192.0.2.0/24
  [europe]=198.51.100.0/24
  [asia-pacific]=203.0.113.0/24
)
REGIONS=(north-america europe asia-pacific)

passed=0 failed=0
compose=()            # the command, with its project
declare -A container  # service -> container
declare -A address    # region -> address of its load balancer

main() {
  local kinds=() kind
  if ! docker info > /dev/null 2>&1; then
    echo "compose test skipped: no Docker engine answers"
    return
  fi
  docker compose version > /dev/null 2>&1 && kinds+=("docker compose")
  command -v docker-compose > /dev/null && kinds+=("docker-compose")
  if [ ${#kinds[@]} = 0 ]; then
    echo "compose test skipped: neither \`docker compose\` nor \`docker-compose\` is installed"
    return
  fi
  # Any free port of the host; the test asks from the client's container.
  export MERIDIAN_PORT=
  trap tear_down EXIT
  trap 'exit 130' INT TERM
  for kind in "${kinds[@]}"; do
    # shellcheck disable=SC2206 # two words are a command and its subcommand
    compose=($kind -p "meridian-test-$$")
    echo
    echo "== $kind: $($kind version --short)"
    if [ "$kind" = "${kinds[0]}" ] && ! step "images are built" build_images; then
      break
    fi
    story || show_logs
    step "nothing is left behind" tear_down
  done
  echo
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ]
}

# What happens to the three regions, in order. Ends at the first step that fails.
story() {
  local region
  step "all services start" start || return
  step "meridian check finds nothing to remark" configuration_is_clean || return
  for region in "${REGIONS[@]}"; do
    step "a client in $region is sent to $region" eventually answers "$region" "$region" || return
  done
  for region in "${REGIONS[@]}"; do
    step "$region serves what its servers say" eventually serves "$region" || return
  done
  step "over TCP as well" answers europe europe +tcp || return
  step "a subnet that only the database knows" answers 81.2.69.0/24 europe || return
  step "the answer says for which clients it holds" says_scope europe 24 || return
  step "a client without a subnet goes by its own address" answers "" europe || return
  step "the zone's own records are served" zone_is_served || return
  step "curl reaches its region by name" eventually reaches_by_name europe || return

  step "one of europe's two servers dies: europe goes on" \
    after kill_servers europe-1 -- serves europe || return
  step "the other dies: europe's balancer says that it has nobody left" \
    after kill_servers europe-2 -- unwell europe || return
  step "clients in europe are sent to north-america" eventually answers europe north-america ||
    return
  step "each of twenty answers says so" holds europe north-america || return
  step "the others stay where they were" answers asia-pacific asia-pacific || return
  step "both servers start: clients in europe are sent home" \
    after start_containers europe-1 europe-2 -- answers europe europe || return
  step "each of twenty answers says so" holds europe europe || return

  step "north-america's balancer stops: its clients are sent to europe" \
    after stop_balancer north-america -- answers north-america europe || return
  step "each of twenty answers says so" holds north-america europe || return
  step "it starts: they are sent home" \
    after start_containers north-america -- answers north-america north-america || return

  step "asia-pacific's balancer stops: its clients are sent to north-america" \
    after stop_balancer asia-pacific -- answers asia-pacific north-america || return
  step "north-america's stops too: they are sent to the nearest that is left" \
    after stop_balancer north-america -- answers asia-pacific europe || return
  step "each of twenty answers says so" holds asia-pacific europe || return
  step "both start: clients of asia-pacific are sent home" \
    after start_containers asia-pacific north-america -- answers asia-pacific asia-pacific || return
  step "clients of north-america too" eventually answers north-america north-america || return
  step "told to stop, the server ends as it should" server_stops || return
}

# step WHAT COMMAND…: carries out a command, and counts and prints how it went, and how long it took.
step() {
  local what=$1 start=${EPOCHREALTIME/./} result=ok
  shift
  "$@" || result=FAIL
  printf '%-4s %-66s %6d ms\n' "$result" "$what" $(((${EPOCHREALTIME/./} - start) / 1000))
  if [ "$result" = ok ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    return 1
  fi
}

# eventually CONDITION…: waits until it holds.
eventually() {
  local deadline=$((SECONDS + PATIENCE))
  until "$@"; do
    [ $SECONDS -lt $deadline ] || return
    sleep 0.05
  done
}

# after COMMAND… -- CONDITION…: carries out a command, then waits until the condition holds.
after() {
  local command=()
  while [ "$1" != -- ]; do
    command+=("$1")
    shift
  done
  shift
  "${command[@]}" && eventually "$@"
}

start() {
  local service services region
  quietly "${compose[@]}" up -d --no-build || return
  services=$("${compose[@]}" config --services) || return
  for service in $services; do
    container[$service]=$("${compose[@]}" ps -q "$service")
  done
  for region in "${REGIONS[@]}"; do
    address[$region]=$(docker inspect --format \
      '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "${container[$region]}") || return
  done
}

# dig_client SUBNET|REGION|"" OPTION…: one dig from the client's container.
dig_client() {
  local client=${1:-} subnet=()
  shift
  [ -z "$client" ] || subnet=(+subnet="${SUBNET[$client]:-$client}")
  docker exec "${container[client]}" dig @meridian +short +tries=1 +time=5 "${subnet[@]}" "$@"
}

# answers CLIENT REGION OPTION…: the client is sent to the region's balancer.
answers() {
  local client=$1 region=$2
  shift 2
  [ "$(dig_client "$client" "$@" "$NAME" A)" = "${address[$region]}" ]
}

# says_scope CLIENT LENGTH: how much of the client's subnet the answer is good for (RFC 7871).
says_scope() {
  local said
  said=$(docker exec "${container[client]}" \
    dig @meridian +tries=1 +time=5 +subnet="${SUBNET[$1]}" "$NAME" A)
  [[ $said == *"; CLIENT-SUBNET: ${SUBNET[$1]}/$2"$'\n'* ]]
}

# holds CLIENT REGION: twenty answers in a row, none lost, none another.
holds() {
  local names=() count
  for ((count = 0; count < 20; count++)); do
    names+=("$NAME")
  done
  local given
  given=$(dig_client "$1" "${names[@]}" | sort | uniq -c | xargs)
  [ "$given" = "20 ${address[$2]}" ] || {
    echo "     instead of 20 ${address[$2]}: $given"
    return 1
  }
}

configuration_is_clean() {
  quietly docker exec "${container[meridian]}" \
    meridian check --config tests/compose/config/meridian.toml
}

server_stops() {
  quietly docker stop "${container[meridian]}" &&
    [ "$(docker inspect --format '{{.State.ExitCode}}' "${container[meridian]}")" = 0 ]
}

zone_is_served() {
  [ "$(dig_client "" shop.example NS)" = ns1.shop.example. ] &&
    [ "$(dig_client "" www.shop.example TXT)" = "" ]
}

curl_client() {
  docker exec "${container[client]}" curl --silent --fail --max-time 2 "$1"
}

# serves REGION: its balancer is well, and one of its servers answers.
serves() {
  curl_client "http://${address[$1]}/health" > /dev/null &&
    [[ $(curl_client "http://${address[$1]}/") == "$1 "[12] ]]
}

# unwell REGION: its balancer answers, with an error.
unwell() {
  curl_client "http://${address[$1]}/health" > /dev/null
  [ $? = 22 ]
}

# reaches_by_name REGION: the client's own resolver asks the server.
reaches_by_name() {
  [[ $(curl_client "http://$NAME/") == "$1 "[12] ]]
}

kill_servers() { on_containers kill "$@"; }
start_containers() { on_containers start "$@"; }
stop_balancer() { on_containers stop "$@"; }

# on_containers VERB SERVICE…
on_containers() {
  local verb=$1 service ids=()
  shift
  for service in "$@"; do
    ids+=("${container[$service]}")
  done
  quietly docker "$verb" "${ids[@]}"
}

show_logs() {
  echo "--- what the services said"
  "${compose[@]}" ps 2>&1
  "${compose[@]}" logs --no-color --tail 40 2>&1
  echo "---"
}

# Removes what the run defined, and says whether all of it is gone.
tear_down() {
  [ ${#compose[@]} != 0 ] || return 0
  local of="label=com.docker.compose.project=meridian-test-$$" left
  quietly "${compose[@]}" down --volumes --remove-orphans --timeout 5
  left=$(docker ps -aq --filter "$of" && docker network ls -q --filter "$of" &&
    docker volume ls -q --filter "$of")
  [ -z "$left" ] || {
    echo "     left: $left"
    return 1
  }
}

main
