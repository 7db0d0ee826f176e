# cluster.sh: a throw-away place and throw-away clusters in it, for bash scripts to source.
#
# workspace_make makes a private directory with a private PostgreSQL (test/lib/prefix) in it and
# sees to it that everything started from there is ended, and the directory gone, when the script
# ends, however it ends. A server refuses to run as root: then it runs as $CXSIG_TEST_USER,
# "postgres" or else "nobody". Only what was started here is ever stopped.
# shellcheck shell=bash

CXSIG_REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

cluster_die() {
	printf '%s\n' "$*" >&2
	exit 1
}

# The user the servers run as, empty for ourselves.
cluster_user() {
	local user
	[ "$(id -u)" -eq 0 ] || return 0
	for user in ${CXSIG_TEST_USER:-postgres nobody}; do
		if id "$user" >/dev/null 2>&1; then
			echo "$user"
			return 0
		fi
	done
	cluster_die "running as root, and there is no user ${CXSIG_TEST_USER:-postgres} to run a server as: set CXSIG_TEST_USER"
}

# Become a program run as that user, in the workspace, private programs first in the path. For
# server_exec ... & too: the process id is the program's own.
server_exec() {
	local settings=("HOME=$WORKSPACE" "TMPDIR=$WORKSPACE/tmp" "PATH=$PGBIN:$PATH" "LC_ALL=C.UTF-8")
	cd "$WORKSPACE" || exit
	if [ -n "$SERVER_USER" ]; then
		exec setpriv --reuid "$SERVER_USER" --regid "$(id -g "$SERVER_USER")" --init-groups \
			env "${settings[@]}" "USER=$SERVER_USER" "LOGNAME=$SERVER_USER" "$@"
	fi
	exec env "${settings[@]}" "$@"
}

as_server_user() {
	(server_exec "$@")
}

# workspace_make NAME: sets WORKSPACE, PGBIN, SERVER_USER; removes everything at the end.
workspace_make() {
	unset PGHOST PGHOSTADDR PGPORT PGUSER PGDATABASE PGSERVICE PGOPTIONS PGPASSWORD PGDATA PGPASSFILE
	SERVER_USER=$(cluster_user)
	WORKSPACE=$(mktemp -d "${TMPDIR:-/tmp}/cxsig-$1.XXXXXX")
	WORKSPACE_PIDS=()
	KEEP_WORKSPACE=
	trap workspace_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	PGBIN=$("$CXSIG_REPO/test/lib/prefix" "$WORKSPACE/prefix")
	mkdir -p "$WORKSPACE/socket" "$WORKSPACE/log" "$WORKSPACE/tmp"
	if [ -n "$SERVER_USER" ]; then
		chmod 755 "$WORKSPACE"
		chown "$SERVER_USER" "$WORKSPACE" "$WORKSPACE/socket" "$WORKSPACE/log" "$WORKSPACE/tmp"
	fi
	chmod 700 "$WORKSPACE/socket"
}

# workspace_adopt DIRECTORY: take over a workspace that was kept; it ends with this script.
workspace_adopt() {
	SERVER_USER=$(cluster_user)
	WORKSPACE=$(cd "$1" && pwd)
	PGBIN=$(dirname "$(find "$WORKSPACE/prefix" -name pg_ctl -print -quit)")
	WORKSPACE_PIDS=()
	KEEP_WORKSPACE=
	trap workspace_end EXIT
}

# workspace_owns PID: end this process, a child of ours, at the end.
workspace_owns() {
	WORKSPACE_PIDS[$1]=$1
}

# workspace_disowns PID: it has ended and was waited for; its number may be another's by now.
workspace_disowns() {
	unset "WORKSPACE_PIDS[$1]"
}

# Stop every server whose data directory lies in the workspace, and every process we own.
workspace_stop() {
	local pid_file pid
	for pid in "${WORKSPACE_PIDS[@]}"; do
		if kill "$pid" 2>/dev/null; then
			timeout 15 tail --pid="$pid" -f /dev/null || kill -KILL "$pid" 2>/dev/null || true
		fi
	done
	while IFS= read -r pid_file; do
		as_server_user pg_ctl stop -D "$(dirname "$pid_file")" -m immediate -t 30 >/dev/null 2>&1 || true
	done < <(find "$WORKSPACE" -name prefix -prune -o -name postmaster.pid -print 2>/dev/null)
}

workspace_end() {
	local status=$?
	trap - EXIT
	trap '' INT TERM HUP
	if [ -z "$KEEP_WORKSPACE" ]; then
		workspace_stop
		if mountpoint -q "$WORKSPACE/small"; then umount -l "$WORKSPACE/small" || true; fi
		rm -rf "$WORKSPACE"
	fi
	exit "$status"
}

# small_disk_make SIZE: a file system of the workspace's own, for tests that fill it up. Sets
# CXSIG_SMALL_DISK; does nothing where the test can make one itself, in a namespace of its own.
small_disk_make() {
	if as_server_user unshare --user --map-current-user --keep-caps --mount \
		sh -c 'mount -t tmpfs cxsig "$TMPDIR"' 2>/dev/null || [ "$(id -u)" -ne 0 ] ||
		[ -n "${CXSIG_SMALL_DISK:-}" ]; then
		return 0
	fi
	mkdir -p "$WORKSPACE/small"
	mount -t tmpfs -o "size=$1,mode=755" cxsig "$WORKSPACE/small" || return 0
	chown "$SERVER_USER" "$WORKSPACE/small"
	export CXSIG_SMALL_DISK=$WORKSPACE/small
}

# A TCP port that is free at this moment.
free_port() {
	perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport, "\n"'
}

# cluster_start DIRECTORY-NAME [SETTING=VALUE ...]: initdb and start a cluster that preloads cxsig.
# Sets PGDATA, PGHOST, PGPORT, PGUSER for psql and its kin. It listens on a socket in the
# workspace only, which nobody else can enter, so it needs no password.
cluster_start() {
	local name=$1 setting
	shift
	PGDATA=$WORKSPACE/$name
	PGHOST=$WORKSPACE/socket
	PGPORT=$(free_port)
	PGUSER=postgres
	export PGDATA PGHOST PGPORT PGUSER
	as_server_user initdb -D "$PGDATA" -U postgres -A trust -E UTF8 --locale=C.UTF-8 \
		>"$WORKSPACE/log/initdb-$name.log" 2>&1 || {
		cat "$WORKSPACE/log/initdb-$name.log" >&2
		cluster_die "initdb failed"
	}
	{
		echo "port = $PGPORT"
		echo "listen_addresses = ''"
		echo "unix_socket_directories = '$PGHOST'"
		echo "cluster_name = 'cxsig-$name'"
		echo "shared_preload_libraries = 'cxsig'"
		echo "cxsig.allowed_networks = 'loopback'"
		echo "max_worker_processes = 16"
		echo "max_prepared_transactions = 10"
		echo "max_connections = 100"
		echo "log_line_prefix = '%m [%p] %b '"
		echo "timezone = 'UTC'"
		for setting in "$@"; do
			echo "${setting%%=*} = '${setting#*=}'"
		done
	} >"$WORKSPACE/settings.conf"
	chmod 644 "$WORKSPACE/settings.conf"
	as_server_user sh -c 'cat settings.conf >>"$1/postgresql.conf"' sh "$PGDATA"
	as_server_user pg_ctl start -w -t 60 -D "$PGDATA" -l "$WORKSPACE/log/$name.log" >/dev/null || {
		tail -n 20 "$WORKSPACE/log/$name.log" >&2
		cluster_die "the server did not start"
	}
}

# cluster_stop: an orderly shutdown of the cluster that PGDATA names.
cluster_stop() {
	as_server_user pg_ctl stop -w -D "$PGDATA" -m fast >/dev/null
}

# sink_start: start the receiver on a port from the system. Sets SINK_PID, SINK_URL.
sink_start() {
	local line
	exec {SINK_OUT}< <(exec setsid "$CXSIG_REPO/test/sink/sink")
	SINK_PID=$!
	workspace_owns "$SINK_PID"
	read -r -t 10 line <&"$SINK_OUT" || cluster_die "the receiver did not start"
	SINK_URL=http://127.0.0.1:${line#port }
	export SINK_URL
}
