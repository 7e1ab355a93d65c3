# Postfix as Debian packages it, unpacked into the work folder, with its defaults (each queue
# file is synced before 250). Not changed for speed but where its limits would be in the way.
# 10,000 sessions (case D) would be 10,000 processes.
# S wants it to keep its mail for a while, and 100 dead sites are 100 processes that wait.
supports() { [ "$CASE" != D ] && [ "$CASE" != G ] && [ "$CASE" != S ]; }

# Of adapters that build on this one.
more_services() { :; }
more_settings() { :; }

P=$WORK/postfix
export MAIL_CONFIG=$RUN/etc LD_LIBRARY_PATH=$P/usr/lib/postfix

start() {
    mkdir -p "$RUN/etc" "$RUN/spool" "$RUN/data" "$RUN/log"
    chown postfix "$RUN/data"
    # No chroot: the services need the libraries in the work folder.
    sed -E "s/^smtp( +)inet/127.0.0.1:$PORT\1inet/
        s/^([a-z0-9:.]+ +(inet|unix|fifo|pass) +[-yn] +[-yn] +)[-y]( )/\1n\3/" \
        "$P/usr/share/postfix/master.cf.dist" >"$RUN/etc/master.cf"
    more_services >>"$RUN/etc/master.cf"
    cp "$P"/etc/postfix/postfix-files "$P"/etc/postfix/postfix-script \
        "$P"/etc/postfix/post-install "$RUN/etc/" 2>/dev/null
    seq -w 0 999 | sed 's,.*,user0&@bench.example user0&/,' >"$RUN/etc/mailboxes"
    cat >"$RUN/etc/main.cf" <<U
compatibility_level = 3.6
queue_directory = $RUN/spool
data_directory = $RUN/data
command_directory = $P/usr/sbin
daemon_directory = $P/usr/lib/postfix/sbin
shlib_directory = $P/usr/lib/postfix
meta_directory = $RUN/etc
sendmail_path = $P/usr/sbin/sendmail
mailq_path = $P/usr/bin/mailq
newaliases_path = $P/usr/bin/newaliases
import_environment = MAIL_CONFIG LD_LIBRARY_PATH
mail_owner = postfix
setgid_group = postdrop
maillog_file = $RUN/log/maillog
maillog_file_prefixes = $RUN
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.bench.example
mydestination =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = bench.example
virtual_mailbox_maps = hash:$RUN/etc/mailboxes
virtual_mailbox_base = $MAIL
virtual_uid_maps = static:$(id -u vmail)
virtual_gid_maps = static:$(id -g vmail)
virtual_minimum_uid = 100
default_process_limit = $((SESSIONS + 20 > 100 ? SESSIONS + 20 : 100))
smtpd_client_connection_count_limit = 0
U
    [ "$CASE" != R ] || echo "default_transport = smtp:[127.0.0.2]:$SINK" >>"$RUN/etc/main.cf"
    [ "$CASE" = C ] || [ "$CASE" = G ] || [ "$CASE" = R ] || echo "smtpd_relay_restrictions =
 check_client_access static:HOLD, permit_mynetworks, reject" >>"$RUN/etc/main.cf"
    [ "$CASE" != F ] || {
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
            -subj /CN=mx.bench.example -keyout "$RUN/key.pem" -out "$RUN/cert.pem" 2>/dev/null
        printf '%s\n' "smtpd_tls_eccert_file = $RUN/cert.pem" "smtpd_tls_eckey_file = $RUN/key.pem" \
            'smtpd_tls_security_level = may' >>"$RUN/etc/main.cf"
    }
    more_settings >>"$RUN/etc/main.cf"
    "$P/usr/sbin/postmap" "hash:$RUN/etc/mailboxes" &&
        "$P/usr/sbin/postfix" start >"$RUN/log/start" 2>&1 || cat "$RUN"/log/*
}

queued() { find "$RUN/spool/hold" "$RUN/spool/incoming" "$RUN/spool/active" -type f | wc -l; }
