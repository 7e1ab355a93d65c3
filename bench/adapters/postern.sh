# Postern: the release build, as postern.conf(5) has it, with its limits out of the way.
supports() { :; }

C=$RUN/postern.conf
postern() { "$BUILD/postern" -c "$C" "$@"; }

configure() { # STATE DIRECTORY
    tls=none
    [ "$CASE" != F ] || tls=starttls
    service=mx deliver=no
    case $CASE in
    C) deliver=yes ;;
    R) service=relay deliver=yes ;;
    S) service=relay deliver=${DELIVER-no} ;;
    esac
    cat >"$C" <<U
hostname = mx.bench.example
state-dir = $1
user = postern
listener "mx" { address = {"127.0.0.1:$PORT"} service = $service tls = $tls }
tls { certificate = "$RUN/cert.pem" key = "$RUN/key.pem" }
limits { sessions-per-client = 20000 sessions-per-network = 20000 session-time = "2 h" command-time = "1 h" }
delivery { maildir = "$MAIL/%u" smtp-port = $SINK inner-networks = {"127.0.0.0/8", "10.9.0.0/16"} }
queue { deliver = $deliver }
log { level = warning }
U
    [ "$CASE" != G ] || cat >>"$C" <<U
dns { forward = {"127.0.0.1@53"} }
checks {
  local-networks = {"192.0.2.1"}
$(printf '  %s = observe\n' flood-ip flood-ip-unwanted flood-network flood-domain flood-url flood-sender message-id-rate \
    rcpt-rate bulk-tls)
}
U
}

# The users are made once for a build, in memory, by commands as anybody would give them.
users() {
    [ "$WORK/directory.db" -nt "$BUILD/postern" ] && return
    made=$(mktemp -d /dev/shm/postern-bench-XXXXXX)
    chmod 755 "$made"
    configure "$made/state"
    postern domain add bench.example || return
    postern relay add bench --network 127.0.0.0/8 --domain sender.example || return
    for i in $(seq -w 0 999); do
        postern user add "user0$i@bench.example" || return
    done
    cp "$made/state/directory/directory.db" "$WORK/directory.db"
    rm -r "$made"
}

start() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=mx.bench.example \
        -keyout "$RUN/key.pem" -out "$RUN/cert.pem" 2>/dev/null
    users >"$RUN/users" 2>&1 || { cat "$RUN/users"; return 1; }
    configure "$RUN/state"
    chown postern "$MAIL"
    mkdir -p "$RUN/state/directory"
    cp "$WORK/directory.db" "$RUN/state/directory/"
    chown -R postern "$RUN/state/directory"
    [ "$CASE" != G ] || "$WORK/auth/usr/sbin/unbound" -d -c "$WORK/unbound.conf" >"$RUN/unbound" 2>&1 &
    postern run >"$RUN/log" 2>&1 &
}

# S: what was kept goes out now.
deliver() { DELIVER=yes; configure "$RUN/state"; kill -HUP "$(pgrep -o -x postern)"; }

queued() { postern queue stats --json | sed -n '1s/.*"messages": *\([0-9]*\).*/\1/p'; }
