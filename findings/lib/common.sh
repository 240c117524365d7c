# Sourced by the findings: a temporary folder, servers that end with the script, and what they need
# from the package registries. Never here: what a server is expected to answer.
# shellcheck shell=bash disable=SC2034

lib="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
temp="$(mktemp -d)"
running=()

finish() {
  local pid
  for pid in "${running[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
  rm -rf "$temp"
}
trap finish EXIT
trap 'exit 1' INT TERM

say() { printf '\n== %s\n' "$*"; }
fail() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# same WHAT EXPECTED GOT
same() {
  printf '%s: %s\n' "$1" "$3"
  [ "$2" = "$3" ] || fail "$1: expected $2"
}

# exchange PORT LINE... -- ANSWER...: what is sent on one connection, and what has to come back.
exchange() { python3 "$lib/exchange.py" "$@" || fail "the server answers otherwise"; }

# wait_for SECONDS FILE WORDS: until the file has them.
wait_for() {
  local until=$((SECONDS + $1))
  until grep -q "$3" "$2" 2>/dev/null; do
    [ $SECONDS -lt $until ] || { cat "$temp"/*.log >&2; fail "no server after $1 seconds"; }
    sleep 0.1
  done
}

# start_memcached: Debian's, on $port.
start_memcached() {
  local version file="$temp/port.${#running[@]}"
  version="$(memcached -V)" || fail "needs memcached, of Debian 12"
  same "version" "memcached 1.6.18" "$version"
  MEMCACHED_PORT_FILENAME="$file" \
    memcached -l 127.0.0.1 -p -1 -U 0 -u "$(id -un)" >"$temp/memcached.log" 2>&1 &
  running+=($!)
  disown # or the shell tells of its end
  wait_for 10 "$file" '^TCP INET: '
  port="$(sed -n 's/^TCP INET: //p' "$file")"
}

# jars GROUP:ARTIFACT:VERSION...: them and what they need, in $temp/jars.
jars() {
  local one group artifact version
  local plugin=org.apache.maven.plugins:maven-dependency-plugin:3.6.1
  {
    printf '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    printf '<groupId>findings</groupId><artifactId>jars</artifactId><version>1</version>'
    printf '<packaging>pom</packaging><dependencies>'
    for one in "$@"; do
      IFS=: read -r group artifact version <<<"$one"
      printf '<dependency><groupId>%s</groupId><artifactId>%s</artifactId>' "$group" "$artifact"
      printf '<version>%s</version></dependency>' "$version"
    done
    printf '</dependencies></project>\n'
  } >"$temp/pom.xml"
  timeout 300 mvn -q -B -f "$temp/pom.xml" "$plugin:copy-dependencies" \
    "-DoutputDirectory=$temp/jars" >"$temp/mvn.log" 2>&1 || { cat "$temp/mvn.log" >&2; fail "mvn"; }
}

# npm_packages NAME@VERSION...: in $temp/node_modules.
npm_packages() {
  timeout 200 npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$temp" "$@" \
    >"$temp/npm.log" 2>&1 || { cat "$temp/npm.log" >&2; fail "npm"; }
  printf 'npm: %s\n' "$*"
}

# pip_packages NAME==VERSION...: for $temp/venv/bin/python.
pip_packages() {
  python3 -m venv "$temp/venv"
  timeout 200 "$temp/venv/bin/pip" install -q --disable-pip-version-check --only-binary :all: \
    "$@" >"$temp/pip.log" 2>&1 || { cat "$temp/pip.log" >&2; fail "pip"; }
  printf 'PyPI: %s\n' "$*"
}

# start_java SOURCE: a server that prints "PORT number" once it listens, on $port.
start_java() {
  java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$temp/jars/*" "$1" \
    >"$temp/java.out" 2>"$temp/java.log" &
  running+=($!)
  disown # or the shell tells of its end
  wait_for 110 "$temp/java.out" '^PORT '
  port="$(sed -n 's/^PORT //p' "$temp/java.out")"
}

start_infinispan() {
  jars org.infinispan:infinispan-server-memcached:15.0.13.Final
  start_java "$lib/Infinispan.java"
  exchange "$port" version -- "VERSION 15.0.13.Final"
}

start_hazelcast() {
  jars com.hazelcast:hazelcast:5.5.0
  start_java "$lib/Hazelcast.java"
  printf 'version: %s\n' "$(basename "$temp"/jars/hazelcast-*.jar)"
}
