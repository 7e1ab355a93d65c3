# Postfix with OpenDKIM, policyd-spf and OpenDMARC, as their packages have them: case G alone.
. "$(dirname "${BASH_SOURCE[0]}")/postfix.sh"
supports() { [ "$CASE" = G ]; }

A=$WORK/auth
eval "postfix_$(declare -f start)"

# Before Postfix: the socket of each milter is there when it asks.
start() {
    export PYTHONPATH=$A/usr/lib/python3/dist-packages LD_LIBRARY_PATH=$LD_LIBRARY_PATH:$A/usr/lib/x86_64-linux-gnu:$A/usr/lib
    mkdir -p "$RUN/etc" "$RUN/log"
    "$A/usr/sbin/unbound" -d -c "$WORK/unbound.conf" >"$RUN/log/unbound" 2>&1 &
    echo 203.0.113.99 >"$RUN/etc/none"
    printf '%s\n' 'Mode v' 'Socket inet:8891@127.0.0.1' 'Nameservers 127.0.0.1' "InternalHosts $RUN/etc/none" \
        'Syslog no' 'Background no' 'AuthservID mx.bench.example' 'AlwaysAddARHeader yes' 'UserID root' \
        >"$RUN/etc/opendkim.conf"
    opendkim -f -x "$RUN/etc/opendkim.conf" >"$RUN/log/opendkim" 2>&1 &
    printf '%s\n' 'Socket inet:8893@127.0.0.1' 'AuthservID mx.bench.example' 'TrustedAuthservIDs mx.bench.example' \
        'Syslog false' 'Background false' "IgnoreHosts $RUN/etc/none" 'SPFSelfValidate false' 'UserID root' \
        >"$RUN/etc/opendmarc.conf"
    "$A/usr/sbin/opendmarc" -f -c "$RUN/etc/opendmarc.conf" >"$RUN/log/opendmarc" 2>&1 &
    sed 's/^skip_addresses.*/skip_addresses = 203.0.113.99\/32/; s/^debugLevel.*/debugLevel = 0/' \
        "$A/etc/postfix-policyd-spf-python/policyd-spf.conf" >"$RUN/etc/policyd-spf.conf"
    printf 'Header_Type = AR\nAuthserv_Id = mx.bench.example\n' >>"$RUN/etc/policyd-spf.conf"
    sleep 1
    postfix_start
}

more_services() {
    echo "policyd-spf unix - n n - 0 spawn
  user=nobody argv=/usr/bin/env PYTHONPATH=$PYTHONPATH /usr/bin/python3 $A/usr/bin/policyd-spf $RUN/etc/policyd-spf.conf"
}

more_settings() {
    echo "smtpd_relay_restrictions = check_policy_service unix:private/policyd-spf,
 check_client_access static:HOLD, permit_mynetworks, reject
policyd-spf_time_limit = 3600
smtpd_milters = inet:127.0.0.1:8891 inet:127.0.0.1:8893
milter_default_action = tempfail
export_environment = TZ PYTHONPATH"
}
