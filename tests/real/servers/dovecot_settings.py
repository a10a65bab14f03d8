"""What is written into the files of a private Dovecot, for Dovecot 2.3 and for 2.4.

Dovecot 2.4 has other names for many settings, and other forms for passdb, quota and variables:
https://doc.dovecot.org/2.4.1/installation/upgrade/2.3-to-2.4.html
"""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from .process import program

DOVECOT = "/usr/sbin/dovecot"
DOVEADM = "/usr/bin/doveadm"
IMAPD = "/usr/lib/dovecot/imap"


@cache
def has_new_settings() -> bool:
    """Whether the installed Dovecot is 2.4 or newer."""
    done = subprocess.run(
        [program(DOVECOT), "--version"], check=True, capture_output=True, text=True
    )
    major, minor, *_ = done.stdout.replace(" ", ".").split(".")
    return (int(major), int(minor)) >= (2, 4)


# Any user name exists, all with one password. A mailbox belongs to the local part alone, so
# that LMTP for ann@example.org and a login as ann mean the same one. The two auth settings
# and the anvil block switch off the growing wait after a wrong password. LMTP adds nothing but a
# Return-Path, so that what is stored can be compared with what was sent. No token
# is compared with the password; in 2.3 the mechanism "none" is the look-up of a recipient.
_COMMON = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
auth_mechanisms = plain login
auth_failure_delay = 0
auth_cache_size = 0
mail_uid = {owner}
mail_gid = {owner}
first_valid_uid = 0
first_valid_gid = 0
mail_max_userip_connections = 100
stats_writer_socket_path =
lmtp_add_received_header = no
lmtp_hdr_delivery_address = none
postmaster_address = postmaster@example.org
namespace inbox {{
  inbox = yes
  separator = /
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = {imaps_port}
    ssl = yes
  }}
}}
"""
_BASE_23 = """\
ssl_cert = <{chain}
ssl_key = <{key}
disable_plaintext_auth = no
auth_username_format = %Ln
mail_location = maildir:{folder}/mail/%n
passdb {{
  driver = static
  mechanisms = none plain login cram-md5 apop scram-sha-1 scram-sha-256
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home={folder}/home/%n
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp_port}
  }}
  unix_listener lmtp {{
    mode = 0600
  }}
}}
"""
_VERSION_24 = """\
dovecot_config_version = 2.4.1
dovecot_storage_version = 2.4.1
"""
"""Dovecot 2.4 wants these first."""
_BASE_24 = """\
ssl_server_cert_file = {chain}
ssl_server_key_file = {key}
auth_allow_cleartext = yes
auth_username_format = %{{user | username | lower}}
mail_driver = maildir
mail_path = {folder}/mail/%{{user | username}}
passdb static {{
  passdb_mechanisms_filter = plain login cram-md5 apop scram-sha-1 scram-sha-256
  passdb_static_password = {password}
}}
userdb static {{
  userdb_static_allow_all_users = yes
  fields {{
    uid = {owner}
    gid = {owner}
    home = {folder}/home/%{{user | username}}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    listen = 127.0.0.1
    port = {lmtp_port}
  }}
  unix_listener lmtp {{
    mode = 0600
  }}
}}
"""

# These lines stand behind those of the plain Dovecot, and win over them. Without the list index
# there is no NOTIFY about mailboxes that are not selected. For LMTP a mailbox with three messages
# is full, so that one recipient may be refused where another is served.
_SERVICES = """
protocols = imap lmtp pop3 submission
auth_mechanisms = plain login cram-md5 apop scram-sha-1 scram-sha-256
mailbox_list_index = yes
namespace inbox {{
  mailbox Drafts {{
    auto = create
    special_use = \\Drafts
  }}
  mailbox Archive {{
    special_use = \\Archive
  }}
}}
hostname = mail.example.org
submission_relay_host = 127.0.0.1
submission_relay_port = {relay_port}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3_port}
  }}
  inet_listener pop3s {{
    port = {pop3s_port}
    ssl = yes
  }}
}}
service submission-login {{
  inet_listener submission {{
    port = {submission_port}
  }}
  inet_listener submissions {{
    port = 0
  }}
}}
protocol lmtp {{
  mail_plugins = quota
}}
"""
_SERVICES_23 = """
protocol imap {{
  mail_plugins = zlib imap_zlib
}}
plugin {{
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:messages={full}
}}
"""
_SERVICES_24 = """
quota user {{
  driver = count
  message_count = {full}
}}
"""

# The passdb with the password comes first in the file; it is for PLAIN and LOGIN alone. Dovecot
# 2.3 trusts what is in the file given as tls_ca_cert_file in a file for this passdb:
# ssl_client_ca_file has no effect there.
_OAUTH_23 = """
auth_mechanisms = oauthbearer xoauth2
passdb {{
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = {settings}
}}
"""
OAUTH_FILE_23 = """\
introspection_mode = post
introspection_url = {introspection}
username_attribute = username
active_attribute = active
active_value = true
scope = mail
tls_ca_cert_file = {authority}
openid_configuration_url = {metadata}
"""
_OAUTH_24 = """
auth_mechanisms = oauthbearer xoauth2
oauth2 {{
  introspection_mode = post
  introspection_url = {introspection}
  username_attribute = username
  active_attribute = active
  active_value = true
  scope = mail
  openid_configuration_url = {metadata}
  ssl_client_ca_file = {authority}
}}
passdb oauth2 {{
  passdb_mechanisms_filter = oauthbearer xoauth2
}}
"""


def base_settings() -> str:
    """Return the whole file of a plain Dovecot, to be formatted."""
    return _VERSION_24 + _COMMON + _BASE_24 if has_new_settings() else _COMMON + _BASE_23


def service_settings() -> str:
    """Return what follows for more services."""
    return _SERVICES + (_SERVICES_24 if has_new_settings() else _SERVICES_23)


def oauth_settings() -> str:
    """Return what follows for tokens."""
    return _OAUTH_24 if has_new_settings() else _OAUTH_23


def imapd_words(configuration: Path) -> list[str]:
    """Return the program that serves the user USER on its standard input and output."""
    if has_new_settings():
        # Started itself, the imapd of 2.4 reads its configuration in a new process without USER.
        return [program(DOVEADM), "-c", str(configuration), "exec", Path(program(IMAPD)).name]
    return [program(IMAPD), "-c", str(configuration)]
