# Completion of mailhaul for bash. Made by docs/completions.py from the tables of options and commands.

_mailhaul_servers() {
    local rc=${FETCHMAILHOME:+$FETCHMAILHOME/fetchmailrc}
    awk '$1 ~ /^(poll|server|skip)$/ { gsub(/[\047":,;]/, "", $2); print $2 }' "${rc:-$HOME/.fetchmailrc}" 2>/dev/null
}

_mailhaul() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=
    # In --option=value bash makes three words.
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = && $COMP_CWORD -gt 2 ]]; then
        prev=${COMP_WORDS[COMP_CWORD-2]}
    fi
    COMPREPLY=()
    if [[ $COMP_CWORD -gt 1 ]]; then
        case ${COMP_WORDS[1]} in
        init)
            words='--help'
            [[ $cur == -* ]] || words=
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            return ;;
        check)
            [[ $prev == -f ]] && return
            words='--json -f --help'
            [[ $cur == -* ]] || words=
            [[ $cur == -* ]] || words+=" $(_mailhaul_servers)"
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            return ;;
        explain)
            [[ $prev == -f ]] && return
            words='--json -v -f --help'
            [[ $cur == -* ]] || words=
            [[ $cur == -* ]] || words+=" $(_mailhaul_servers)"
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            return ;;
        status)
            [[ $prev == --textfile || $prev == -f ]] && return
            words='--json --metrics --textfile --watch -f --help'
            [[ $cur == -* ]] || words=
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            return ;;
        poll)
            words='--help'
            [[ $cur == -* ]] || words=
            [[ $cur == -* ]] || words+=" $(_mailhaul_servers)"
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            return ;;
        pause)
            words='--help'
            [[ $cur == -* ]] || words=
            [[ $cur == -* ]] || words+=" $(_mailhaul_servers)"
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            return ;;
        resume)
            words='--help'
            [[ $cur == -* ]] || words=
            [[ $cur == -* ]] || words+=" $(_mailhaul_servers)"
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            return ;;
        login)
            [[ $prev == -f ]] && return
            words='--device --paste -f --list --json --help'
            [[ $cur == -* ]] || words=
            [[ $cur == -* ]] || words+=" $(_mailhaul_servers)"
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            return ;;
        logout)
            [[ $prev == -f ]] && return
            words='-f --help'
            [[ $cur == -* ]] || words=
            [[ $cur == -* ]] || words+=" $(_mailhaul_servers)"
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            return ;;
        retention)
            [[ $prev == -f ]] && return
            words='-f --help'
            [[ $cur == -* ]] || words=
            [[ $cur == -* || $COMP_CWORD -gt 2 ]] || words='list show confirm adopt'
            [[ $cur == -* ]] || words+=" $(_mailhaul_servers)"
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            return ;;
        quarantine)
            [[ $prev == -f ]] && return
            words='--json -f --help'
            [[ $cur == -* ]] || words=
            [[ $cur == -* || $COMP_CWORD -gt 2 ]] || words='list show retry drop'
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            return ;;
        ledger)
            [[ $prev == -f || $prev == -f ]] && return
            words='--json -f --help'
            [[ $cur == -* ]] || words=
            [[ $cur == -* || $COMP_CWORD -gt 2 ]] || words='list rename forget import'
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            return ;;
        accounts)
            [[ $prev == -f ]] && return
            words='--json -f --help'
            [[ $cur == -* ]] || words=
            [[ $cur == -* || $COMP_CWORD -gt 2 ]] || words='list show add pause resume poll remove'
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            return ;;
        import)
            [[ $prev == -f || $prev == -o ]] && return
            words='-f --dry-run -o --help'
            [[ $cur == -* ]] || words=
            [[ $cur == -* || $COMP_CWORD -gt 2 ]] || words='fetchmail getmail mpop fdm rc'
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            return ;;
        export)
            [[ $prev == -f || $prev == -o ]] && return
            words='-f -o --help'
            [[ $cur == -* ]] || words=
            [[ $cur == -* || $COMP_CWORD -gt 2 ]] || words='fetchids'
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            return ;;
        replay)
            words='--help'
            [[ $cur == -* ]] || words=
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            return ;;
        schema)
            words='--help'
            [[ $cur == -* ]] || words=
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            return ;;
        version)
            words='--json --help'
            [[ $cur == -* ]] || words=
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            return ;;
        conformance)
            [[ $prev == -o ]] && return
            words='-o --help'
            [[ $cur == -* ]] || words=
            [[ $cur == -* || $COMP_CWORD -gt 2 ]] || words='imap pop3 smtp lmtp client serve list matrix'
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            return ;;
        help)
            words='--help'
            [[ $cur == -* ]] || words=
            [[ $cur == -* || $COMP_CWORD -gt 2 ]] || words='init check explain status poll pause resume login logout retention quarantine ledger accounts import export replay schema version conformance help'
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            return ;;
        esac
    fi
    case $prev in
    -f|--fetchmailrc) return ;;
    --transcript) return ;;
    -d|--daemon) return ;;
    -L|--logfile) return ;;
    -i|--idfile) return ;;
    --pidfile) return ;;
    --postmaster) return ;;
    --maxconnections) return ;;
    --metrics) return ;;
    -p|--protocol|--proto)
        mapfile -t COMPREPLY < <(compgen -W 'auto pop2 pop3 sdps apop rpop kpop imap etrn odmr' -- "$cur")
        return ;;
    -P|--service|--port) return ;;
    --auth)
        mapfile -t COMPREPLY < <(compgen -W 'any password ssh external otp opie cram cram-md5 gssapi ntlm msn kerberos kerberos_v4 kerberos_v5 oauth oauthbearer xoauth2' -- "$cur")
        return ;;
    -t|--timeout) return ;;
    -E|--envelope) return ;;
    -Q|--qvirtual) return ;;
    -I|--interface) return ;;
    -M|--monitor) return ;;
    --plugin) return ;;
    --plugout) return ;;
    --principal) return ;;
    --bad-header)
        mapfile -t COMPREPLY < <(compgen -W 'accept reject' -- "$cur")
        return ;;
    -u|--user|--username) return ;;
    -r|--folder) return ;;
    -S|--smtphost) return ;;
    --fetchdomains) return ;;
    -D|--smtpaddress) return ;;
    --smtpname) return ;;
    -Z|--antispam) return ;;
    --bsmtp) return ;;
    -m|--mda) return ;;
    --mdaparallel) return ;;
    --smtpparallel) return ;;
    --delete-after) return ;;
    --delete-limit) return ;;
    --since) return ;;
    -l|--limit) return ;;
    -w|--warnings) return ;;
    -B|--fetchlimit) return ;;
    --fetchsizelimit) return ;;
    --fastuidl) return ;;
    -b|--batchlimit) return ;;
    -e|--expunge) return ;;
    --sslkey) return ;;
    --sslcert) return ;;
    --sslcertfile) return ;;
    --sslcertpath) return ;;
    --sslproto)
        mapfile -t COMPREPLY < <(compgen -W 'auto ssl23 ssl3 ssl3+ tls1 tls1+ tls1.1 tls1.1+ tls1.2 tls1.2+ tls1.3 tls1.3+' -- "$cur")
        return ;;
    --sslcommonname) return ;;
    --sslfingerprint) return ;;
    esac
    if [[ $cur == -* ]]; then
        words='-? -h --help -V --version -c --check --dry-run --json -s --silent -v --verbose 
            -N --nodetach --one-by-one -q --quit -f --fetchmailrc --configdump --transcript 
            --transcript-bodies -d --daemon -L --logfile -i --idfile --pidfile --postmaster 
            --nobounce --softbounce --nosoftbounce --syslog --nosyslog --jsonlog --nojsonlog 
            --invisible --showdots --progress --noprogress --maxconnections --metrics 
            --metricsanywhere -p --protocol --proto -P --service --port --auth -t --timeout -E 
            --envelope -Q --qvirtual -U --uidl -I --interface -M --monitor --plugin --plugout 
            --principal --tracepolls --bad-header -u --user --username -r --folder -S 
            --smtphost --fetchdomains -D --smtpaddress --smtpname -Z --antispam --bsmtp -m 
            --mda --mdaparallel --smtpparallel --lmtp -k --keep -K --nokeep -a --fetchall --all 
            --fetchread --leave-unread --delete-after --delete-limit --since --nodeduplicate 
            --keep-tree -F --flush --limitflush -n --norewrite --idle -l --limit -w --warnings 
            -B --fetchlimit --fetchsizelimit --fastuidl -b --batchlimit -e --expunge --ssl 
            --sslcertck --nosslcertck --sslkey --sslcert --sslcertfile --sslcertpath --sslproto 
            --sslcommonname --sslfingerprint'
    else
        words=$(_mailhaul_servers)
        [[ $COMP_CWORD -gt 1 ]] || words+=' init check explain status poll pause resume login logout retention quarantine ledger accounts import export replay schema version conformance help'
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -o bashdefault -o default -F _mailhaul mailhaul
