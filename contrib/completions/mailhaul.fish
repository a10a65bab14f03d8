# Completion of mailhaul for fish. Made by docs/completions.py from the tables of options and commands.

function __mailhaul_servers
    set -l rc $HOME/.fetchmailrc
    set -q FETCHMAILHOME; and set rc $FETCHMAILHOME/fetchmailrc
    awk '$1 ~ /^(poll|server|skip)$/ { gsub(/[\047":,;]/, "", $2); print $2 }' $rc 2>/dev/null
end

function __mailhaul_polls
    not __fish_seen_subcommand_from init check explain status poll pause resume login logout retention quarantine ledger accounts import export replay schema version conformance help
end

complete -c mailhaul -f
complete -c mailhaul -n __mailhaul_polls -a '(__mailhaul_servers)'
complete -c mailhaul -n __fish_use_subcommand -a init -d 'set up an account: find the server, try the login, write the file'
complete -c mailhaul -n __fish_use_subcommand -a check -d 'find everything that would make a poll fail, without the network'
complete -c mailhaul -n __fish_use_subcommand -a explain -d 'sign in, and show what a server offers and what is used of it'
complete -c mailhaul -n __fish_use_subcommand -a status -d 'show how the polls of each account ended, and what waits'
complete -c mailhaul -n __fish_use_subcommand -a poll -d 'let the running daemon poll now'
complete -c mailhaul -n __fish_use_subcommand -a pause -d 'let the running daemon poll an account no longer'
complete -c mailhaul -n __fish_use_subcommand -a resume -d 'let the running daemon poll an account again'
complete -c mailhaul -n __fish_use_subcommand -a login -d 'sign in at an issuer of tokens (OAuth), or list the tokens'
complete -c mailhaul -n __fish_use_subcommand -a logout -d 'revoke and remove a token'
complete -c mailhaul -n __fish_use_subcommand -a retention -d 'show what delete-after deletes from the servers, and permit it'
complete -c mailhaul -n __fish_use_subcommand -a quarantine -d 'list, show, retry or delete messages that the sink keeps refusing'
complete -c mailhaul -n __fish_use_subcommand -a ledger -d 'list, rename or forget the accounts in the ledger'
complete -c mailhaul -n __fish_use_subcommand -a accounts -d 'add, list, pause and remove accounts of a shared store'
complete -c mailhaul -n __fish_use_subcommand -a import -d 'take over from another program: what it has fetched, its rc file'
complete -c mailhaul -n __fish_use_subcommand -a export -d 'write what was fetched over POP3 in the format of fetchmail'
complete -c mailhaul -n __fish_use_subcommand -a replay -d 'replay a transcript'
complete -c mailhaul -n __fish_use_subcommand -a schema -d 'print the JSON Schema of an output for programs'
complete -c mailhaul -n __fish_use_subcommand -a version -d 'show the versions of all parts, and which extras are installed'
complete -c mailhaul -n __fish_use_subcommand -a conformance -d 'test mail servers and mail clients against the RFCs'
complete -c mailhaul -n __fish_use_subcommand -a help -d 'explain a command'
complete -c mailhaul -n '__fish_seen_subcommand_from init' -l help
complete -c mailhaul -n '__fish_seen_subcommand_from check' -a '(__mailhaul_servers)'
complete -c mailhaul -n '__fish_seen_subcommand_from check' -l json
complete -c mailhaul -n '__fish_seen_subcommand_from check' -s f -r -F
complete -c mailhaul -n '__fish_seen_subcommand_from check' -l help
complete -c mailhaul -n '__fish_seen_subcommand_from explain' -a '(__mailhaul_servers)'
complete -c mailhaul -n '__fish_seen_subcommand_from explain' -l json
complete -c mailhaul -n '__fish_seen_subcommand_from explain' -s v
complete -c mailhaul -n '__fish_seen_subcommand_from explain' -s f -r -F
complete -c mailhaul -n '__fish_seen_subcommand_from explain' -l help
complete -c mailhaul -n '__fish_seen_subcommand_from status' -l json
complete -c mailhaul -n '__fish_seen_subcommand_from status' -l metrics
complete -c mailhaul -n '__fish_seen_subcommand_from status' -l textfile -r -F
complete -c mailhaul -n '__fish_seen_subcommand_from status' -l watch
complete -c mailhaul -n '__fish_seen_subcommand_from status' -s f -r -F
complete -c mailhaul -n '__fish_seen_subcommand_from status' -l help
complete -c mailhaul -n '__fish_seen_subcommand_from poll' -a '(__mailhaul_servers)'
complete -c mailhaul -n '__fish_seen_subcommand_from poll' -l help
complete -c mailhaul -n '__fish_seen_subcommand_from pause' -a '(__mailhaul_servers)'
complete -c mailhaul -n '__fish_seen_subcommand_from pause' -l help
complete -c mailhaul -n '__fish_seen_subcommand_from resume' -a '(__mailhaul_servers)'
complete -c mailhaul -n '__fish_seen_subcommand_from resume' -l help
complete -c mailhaul -n '__fish_seen_subcommand_from login' -a '(__mailhaul_servers)'
complete -c mailhaul -n '__fish_seen_subcommand_from login' -l device
complete -c mailhaul -n '__fish_seen_subcommand_from login' -l paste
complete -c mailhaul -n '__fish_seen_subcommand_from login' -s f -r -F
complete -c mailhaul -n '__fish_seen_subcommand_from login' -l list
complete -c mailhaul -n '__fish_seen_subcommand_from login' -l json
complete -c mailhaul -n '__fish_seen_subcommand_from login' -l help
complete -c mailhaul -n '__fish_seen_subcommand_from logout' -a '(__mailhaul_servers)'
complete -c mailhaul -n '__fish_seen_subcommand_from logout' -s f -r -F
complete -c mailhaul -n '__fish_seen_subcommand_from logout' -l help
complete -c mailhaul -n '__fish_seen_subcommand_from retention' -a 'list show confirm adopt'
complete -c mailhaul -n '__fish_seen_subcommand_from retention' -a '(__mailhaul_servers)'
complete -c mailhaul -n '__fish_seen_subcommand_from retention' -s f -r -F
complete -c mailhaul -n '__fish_seen_subcommand_from retention' -l help
complete -c mailhaul -n '__fish_seen_subcommand_from quarantine' -a 'list show retry drop'
complete -c mailhaul -n '__fish_seen_subcommand_from quarantine' -l json
complete -c mailhaul -n '__fish_seen_subcommand_from quarantine' -s f -r -F
complete -c mailhaul -n '__fish_seen_subcommand_from quarantine' -l help
complete -c mailhaul -n '__fish_seen_subcommand_from ledger' -a 'list rename forget import'
complete -c mailhaul -n '__fish_seen_subcommand_from ledger' -F
complete -c mailhaul -n '__fish_seen_subcommand_from ledger' -l json
complete -c mailhaul -n '__fish_seen_subcommand_from ledger' -s f -r -F
complete -c mailhaul -n '__fish_seen_subcommand_from ledger' -l help
complete -c mailhaul -n '__fish_seen_subcommand_from accounts' -a 'list show add pause resume poll remove'
complete -c mailhaul -n '__fish_seen_subcommand_from accounts' -l json
complete -c mailhaul -n '__fish_seen_subcommand_from accounts' -s f -r -F
complete -c mailhaul -n '__fish_seen_subcommand_from accounts' -l help
complete -c mailhaul -n '__fish_seen_subcommand_from import' -a 'fetchmail getmail mpop fdm rc'
complete -c mailhaul -n '__fish_seen_subcommand_from import' -F
complete -c mailhaul -n '__fish_seen_subcommand_from import' -s f -r -F
complete -c mailhaul -n '__fish_seen_subcommand_from import' -l dry-run
complete -c mailhaul -n '__fish_seen_subcommand_from import' -s o -r -F
complete -c mailhaul -n '__fish_seen_subcommand_from import' -l help
complete -c mailhaul -n '__fish_seen_subcommand_from export' -a 'fetchids'
complete -c mailhaul -n '__fish_seen_subcommand_from export' -s f -r -F
complete -c mailhaul -n '__fish_seen_subcommand_from export' -s o -r -F
complete -c mailhaul -n '__fish_seen_subcommand_from export' -l help
complete -c mailhaul -n '__fish_seen_subcommand_from replay' -F
complete -c mailhaul -n '__fish_seen_subcommand_from replay' -l help
complete -c mailhaul -n '__fish_seen_subcommand_from schema' -l help
complete -c mailhaul -n '__fish_seen_subcommand_from version' -l json
complete -c mailhaul -n '__fish_seen_subcommand_from version' -l help
complete -c mailhaul -n '__fish_seen_subcommand_from conformance' -a 'imap pop3 smtp lmtp client serve list matrix'
complete -c mailhaul -n '__fish_seen_subcommand_from conformance' -s o -r -F
complete -c mailhaul -n '__fish_seen_subcommand_from conformance' -l help
complete -c mailhaul -n '__fish_seen_subcommand_from help' -a 'init check explain status poll pause resume login logout retention quarantine ledger accounts import export replay schema version conformance help'
complete -c mailhaul -n '__fish_seen_subcommand_from help' -l help
complete -c mailhaul -n __mailhaul_polls -s '?' -s h -l help -d 'show this help'
complete -c mailhaul -n __mailhaul_polls -s V -l version -d 'show version and settings'
complete -c mailhaul -n __mailhaul_polls -s c -l check -d 'look for new mail, fetch nothing'
complete -c mailhaul -n __mailhaul_polls -l dry-run -d 'show what a poll would do, change nothing'
complete -c mailhaul -n __mailhaul_polls -l json -d 'print the result of --dry-run as JSON'
complete -c mailhaul -n __mailhaul_polls -s s -l silent -d 'print nothing but errors'
complete -c mailhaul -n __mailhaul_polls -s v -l verbose -d 'print the dialogue; twice prints more'
complete -c mailhaul -n __mailhaul_polls -s N -l nodetach -d 'stay in the foreground'
complete -c mailhaul -n __mailhaul_polls -l one-by-one -d 'poll one account after the other'
complete -c mailhaul -n __mailhaul_polls -s q -l quit -d 'stop the background process'
complete -c mailhaul -n __mailhaul_polls -s f -l fetchmailrc -r -F -d 'read this rc file; - is the standard input'
complete -c mailhaul -n __mailhaul_polls -l configdump -d 'print the settings and stop'
complete -c mailhaul -n __mailhaul_polls -l transcript -r -F -d 'record the dialogue of all connections, without secrets'
complete -c mailhaul -n __mailhaul_polls -l transcript-bodies -d 'include message texts in the transcript'
complete -c mailhaul -n __mailhaul_polls -s d -l daemon -x -d 'seconds between polls; 0 polls once'
complete -c mailhaul -n __mailhaul_polls -s L -l logfile -r -F -d 'append messages to this file'
complete -c mailhaul -n __mailhaul_polls -s i -l idfile -r -F -d 'fetchmail\'s file of UIDs'
complete -c mailhaul -n __mailhaul_polls -l pidfile -r -F -d 'lock file of the background process'
complete -c mailhaul -n __mailhaul_polls -l postmaster -x -d 'recipient of last resort; empty means none'
complete -c mailhaul -n __mailhaul_polls -l nobounce -d 'bounces go to the postmaster'
complete -c mailhaul -n __mailhaul_polls -l softbounce -d 'keep mail that the listener refuses permanently'
complete -c mailhaul -n __mailhaul_polls -l nosoftbounce -d 'bounce and delete mail that the listener refuses permanently'
complete -c mailhaul -n __mailhaul_polls -l syslog -d 'log to syslog'
complete -c mailhaul -n __mailhaul_polls -l nosyslog -d 'do not log to syslog'
complete -c mailhaul -n __mailhaul_polls -l jsonlog -d 'log in JSON, with a record for each message'
complete -c mailhaul -n __mailhaul_polls -l nojsonlog -d 'log in plain lines'
complete -c mailhaul -n __mailhaul_polls -l invisible -d 'add no Received line'
complete -c mailhaul -n __mailhaul_polls -l showdots -d 'show progress dots while fetching'
complete -c mailhaul -n __mailhaul_polls -l progress -d 'show bars on a terminal (with mailhaul[progress])'
complete -c mailhaul -n __mailhaul_polls -l noprogress -d 'print lines instead of bars'
complete -c mailhaul -n __mailhaul_polls -l maxconnections -x -d 'most connections to one server at a time'
complete -c mailhaul -n __mailhaul_polls -l metrics -x -d 'serve metrics and health over HTTP at HOST:PORT (daemon)'
complete -c mailhaul -n __mailhaul_polls -l metricsanywhere -d 'allow an address that other hosts can reach'
complete -c mailhaul -n __mailhaul_polls -s p -l protocol -l proto -x -a 'auto pop2 pop3 sdps apop rpop kpop imap etrn odmr' -d 'the protocol to fetch mail with'
complete -c mailhaul -n __mailhaul_polls -s P -l service -l port -x -d 'port number or service name'
complete -c mailhaul -n __mailhaul_polls -l auth -x -a 'any password ssh external otp opie cram cram-md5 gssapi ntlm msn kerberos kerberos_v4 kerberos_v5 oauth oauthbearer xoauth2' -d 'how to log in'
complete -c mailhaul -n __mailhaul_polls -s t -l timeout -x -d 'seconds to wait for a reply; 0 means 300'
complete -c mailhaul -n __mailhaul_polls -s E -l envelope -x -d 'header line that names the recipient'
complete -c mailhaul -n __mailhaul_polls -s Q -l qvirtual -x -d 'prefix to remove from envelope recipients'
complete -c mailhaul -n __mailhaul_polls -s U -l uidl -d 'no effect; UIDs are always used (POP3)'
complete -c mailhaul -n __mailhaul_polls -s I -l interface -x -d 'not supported; start mailhaul when the interface is up'
complete -c mailhaul -n __mailhaul_polls -s M -l monitor -x -d 'not supported; start mailhaul from a timer'
complete -c mailhaul -n __mailhaul_polls -l plugin -x -d 'command that connects to the server'
complete -c mailhaul -n __mailhaul_polls -l plugout -x -d 'command that connects to the listener'
complete -c mailhaul -n __mailhaul_polls -l principal -x -d 'no effect; accepted for compatibility'
complete -c mailhaul -n __mailhaul_polls -l tracepolls -d 'name poll and account in the Received line'
complete -c mailhaul -n __mailhaul_polls -l bad-header -x -a 'accept reject' -d 'accept or reject malformed headers'
complete -c mailhaul -n __mailhaul_polls -s u -l user -l username -x -d 'login at the server'
complete -c mailhaul -n __mailhaul_polls -s r -l folder -x -d 'mailboxes to fetch from'
complete -c mailhaul -n __mailhaul_polls -s S -l smtphost -x -d 'listeners, tried in turn'
complete -c mailhaul -n __mailhaul_polls -l fetchdomains -x -d 'domains to fetch mail for (ETRN, ODMR)'
complete -c mailhaul -n __mailhaul_polls -s D -l smtpaddress -x -d 'domain of the recipient at the listener'
complete -c mailhaul -n __mailhaul_polls -l smtpname -x -d 'whole address of the recipient at the listener'
complete -c mailhaul -n __mailhaul_polls -s Z -l antispam -x -d 'listener replies that mean spam'
complete -c mailhaul -n __mailhaul_polls -l bsmtp -r -F -d 'write batched SMTP to this file'
complete -c mailhaul -n __mailhaul_polls -s m -l mda -x -d 'command that takes each message'
complete -c mailhaul -n __mailhaul_polls -l mdaparallel -x -d 'mda commands that may run at a time'
complete -c mailhaul -n __mailhaul_polls -l smtpparallel -x -d 'connections to the SMTP or LMTP listener at a time'
complete -c mailhaul -n __mailhaul_polls -l lmtp -d 'speak LMTP to the listener'
complete -c mailhaul -n __mailhaul_polls -s k -l keep -d 'leave fetched mail on the server'
complete -c mailhaul -n __mailhaul_polls -s K -l nokeep -d 'delete fetched mail from the server'
complete -c mailhaul -n __mailhaul_polls -s a -l fetchall -l all -d 'fetch old mail too'
complete -c mailhaul -n __mailhaul_polls -l fetchread -d 'fetch new mail even if marked as read (IMAP)'
complete -c mailhaul -n __mailhaul_polls -l leave-unread -d 'keep fetched mail and do not mark it as read (IMAP)'
complete -c mailhaul -n __mailhaul_polls -l delete-after -x -d 'keep mail and delete it this long after delivery (30d, 4w)'
complete -c mailhaul -n __mailhaul_polls -l delete-limit -x -d 'messages that delete-after deletes in one poll'
complete -c mailhaul -n __mailhaul_polls -l since -x -d 'fetch only mail from this day on (2026-01-31, or 30d ago)'
complete -c mailhaul -n __mailhaul_polls -l nodeduplicate -d 'deliver a message once for each folder that it is in'
complete -c mailhaul -n __mailhaul_polls -l keep-tree -d 'store each folder in a folder of its own (maildir, append)'
complete -c mailhaul -n __mailhaul_polls -s F -l flush -d 'delete old mail on the server'
complete -c mailhaul -n __mailhaul_polls -l limitflush -d 'delete oversized mail on the server'
complete -c mailhaul -n __mailhaul_polls -s n -l norewrite -d 'leave addresses without a host as they are'
complete -c mailhaul -n __mailhaul_polls -l idle -d 'wait for new mail (IMAP)'
complete -c mailhaul -n __mailhaul_polls -s l -l limit -x -d 'skip messages with more octets; 0 means no limit'
complete -c mailhaul -n __mailhaul_polls -s w -l warnings -x -d 'seconds between warnings about skipped mail'
complete -c mailhaul -n __mailhaul_polls -s B -l fetchlimit -x -d 'messages per poll; 0 means no limit'
complete -c mailhaul -n __mailhaul_polls -l fetchsizelimit -x -d 'no effect; accepted for compatibility'
complete -c mailhaul -n __mailhaul_polls -l fastuidl -x -d 'no effect; accepted for compatibility'
complete -c mailhaul -n __mailhaul_polls -s b -l batchlimit -x -d 'messages per listener connection; 0 means no limit'
complete -c mailhaul -n __mailhaul_polls -s e -l expunge -x -d 'deletions between two expunges; 0 means at the end'
complete -c mailhaul -n __mailhaul_polls -l ssl -d 'encrypt from the first byte'
complete -c mailhaul -n __mailhaul_polls -l sslcertck -d 'verify the server\'s certificate'
complete -c mailhaul -n __mailhaul_polls -l nosslcertck -d 'accept any certificate of the server'
complete -c mailhaul -n __mailhaul_polls -l sslkey -r -F -d 'private key'
complete -c mailhaul -n __mailhaul_polls -l sslcert -r -F -d 'own certificate'
complete -c mailhaul -n __mailhaul_polls -l sslcertfile -r -F -d 'file of trusted certificates'
complete -c mailhaul -n __mailhaul_polls -l sslcertpath -r -F -d 'folder of trusted certificates'
complete -c mailhaul -n __mailhaul_polls -l sslproto -x -a 'auto ssl23 ssl3 ssl3+ tls1 tls1+ tls1.1 tls1.1+ tls1.2 tls1.2+ tls1.3 tls1.3+' -d 'TLS version; empty means never STARTTLS'
complete -c mailhaul -n __mailhaul_polls -l sslcommonname -x -d 'name expected in the certificate'
complete -c mailhaul -n __mailhaul_polls -l sslfingerprint -x -d 'expected MD5 or SHA-256 of the certificate'
