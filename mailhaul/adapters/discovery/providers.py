"""Large providers: where their mail is, and what one has to do there first.

Sources: the help pages of each provider. A domain of a customer is recognized by the hosts that
receive its mail (MX records).
"""

from __future__ import annotations

from typing import Final

from .places import IMAP, POP3, Place, Provider, place_of

_SWITCH_ON: Final = "IMAP and POP3 have to be switched on in the settings of the mailbox"

PROVIDERS: Final = (
    Provider(
        "Gmail",
        ("gmail.com", "googlemail.com"),
        "imap.gmail.com",
        "pop.gmail.com",
        "Gmail takes an app password, not that of your account; make one at "
        "https://myaccount.google.com/apppasswords (2-step verification must be on)",
        issuer="gmail",
        exchangers=("google.com", "googlemail.com"),
    ),
    Provider(
        "Microsoft",
        (
            *("outlook.com", "hotmail.com", "live.com", "msn.com", "windowslive.com"),
            *("outlook.de", "outlook.fr", "outlook.es", "outlook.it", "outlook.at", "outlook.be"),
            *("outlook.dk", "outlook.ie", "outlook.pt", "outlook.jp", "outlook.kr"),
            *("outlook.com.br", "outlook.com.au", "outlook.com.ar", "outlook.sa", "outlook.cl"),
            *("hotmail.de", "hotmail.fr", "hotmail.es", "hotmail.it", "hotmail.nl", "hotmail.be"),
            *("hotmail.co.uk", "hotmail.co.jp", "hotmail.se", "hotmail.no", "hotmail.dk"),
            *("live.de", "live.fr", "live.it", "live.nl", "live.be", "live.se", "live.no"),
            *("live.dk", "live.ca", "live.co.uk", "live.at", "live.cn", "live.jp"),
        ),
        "outlook.office365.com",
        "outlook.office365.com",
        "Microsoft takes no passwords, only tokens (OAuth)",
        issuer="microsoft",
        passwords=False,
        exchangers=("mail.protection.outlook.com", "olc.protection.outlook.com", "mx.microsoft"),
    ),
    Provider(
        "Yahoo",
        (
            *("yahoo.com", "ymail.com", "rocketmail.com", "myyahoo.com", "yahoo.co.uk"),
            *("yahoo.de", "yahoo.fr", "yahoo.es", "yahoo.it", "yahoo.ca", "yahoo.se"),
            *("yahoo.com.br", "yahoo.com.mx", "yahoo.com.ar", "yahoo.com.au", "yahoo.co.in"),
            "yahoo.co.nz",
        ),
        "imap.mail.yahoo.com",
        "pop.mail.yahoo.com",
        "Yahoo takes an app password, not that of your account; make one at "
        "https://login.yahoo.com/account/security",
        exchangers=("yahoodns.net",),
    ),
    Provider(
        "AOL",
        ("aol.com", "aol.de", "aol.fr", "aol.co.uk", "aim.com", "verizon.net"),
        "imap.aol.com",
        "pop.aol.com",
        "AOL takes an app password, not that of your account; make one at "
        "https://login.aol.com/account/security",
    ),
    Provider(
        "iCloud",
        ("icloud.com", "me.com", "mac.com"),
        "imap.mail.me.com",
        note="iCloud takes an app-specific password, not that of your account; make one at "
        "https://account.apple.com",
        local_login=True,
        exchangers=("mail.icloud.com",),
    ),
    Provider(
        "GMX",
        ("gmx.de", "gmx.net", "gmx.at", "gmx.ch", "gmx.eu"),
        "imap.gmx.net",
        "pop.gmx.net",
        _SWITCH_ON + ' ("POP3/IMAP Abruf"); with two-factor login take an app password',
    ),
    Provider(
        "GMX",
        ("gmx.com", "gmx.us", "gmx.co.uk", "gmx.fr", "gmx.es", "gmx.it", "gmx.li"),
        "imap.gmx.com",
        "pop.gmx.com",
        _SWITCH_ON,
    ),
    Provider("mail.com", ("mail.com",), "imap.mail.com", "pop.mail.com", _SWITCH_ON),
    Provider(
        "WEB.DE",
        ("web.de",),
        "imap.web.de",
        "pop3.web.de",
        _SWITCH_ON + ' ("POP3/IMAP Abruf"); with two-factor login take an app password',
    ),
    Provider(
        "Fastmail",
        ("fastmail.com", "fastmail.fm", "fastmail.net", "fastmail.org", "sent.com"),
        "imap.fastmail.com",
        "pop.fastmail.com",
        "Fastmail takes an app password, not that of your account; make one under Settings, "
        "Privacy & Security",
        exchangers=("messagingengine.com",),
    ),
    Provider(
        "Zoho",
        ("zohomail.com", "zoho.com"),
        "imap.zoho.com",
        "pop.zoho.com",
        _SWITCH_ON + "; with two-factor login take an app password",
    ),
    Provider(
        "Zoho",
        ("zohomail.eu",),
        "imap.zoho.eu",
        "pop.zoho.eu",
        _SWITCH_ON + "; with two-factor login take an app password",
    ),
    Provider(
        "Zoho",
        (),
        "imappro.zoho.com",
        "poppro.zoho.com",
        _SWITCH_ON + "; with two-factor login take an app password",
        exchangers=("mx.zoho.com", "mx2.zoho.com", "mx3.zoho.com"),
    ),
    Provider(
        "Zoho",
        (),
        "imappro.zoho.eu",
        "poppro.zoho.eu",
        _SWITCH_ON + "; with two-factor login take an app password",
        exchangers=("mx.zoho.eu", "mx2.zoho.eu", "mx3.zoho.eu"),
    ),
    Provider(
        "Yandex",
        (
            *("yandex.ru", "yandex.com", "ya.ru", "yandex.by", "yandex.kz", "yandex.ua"),
            "narod.ru",
        ),
        "imap.yandex.com",
        "pop.yandex.com",
        "Yandex takes an app password, and mail programs have to be allowed in the settings; "
        "make one at https://id.yandex.com/security/app-passwords",
        exchangers=("mx.yandex.net", "mx.yandex.ru"),
    ),
    Provider(
        "mailbox.org",
        ("mailbox.org",),
        "imap.mailbox.org",
        "pop3.mailbox.org",
        "with two-factor login take an app password",
        exchangers=("mailbox.org",),
    ),
    Provider(
        "Posteo",
        ("posteo.de", "posteo.net", "posteo.eu", "posteo.org", "posteo.at", "posteo.ch"),
        "posteo.de",
        "posteo.de",
    ),
    Provider(
        "Telekom",
        ("t-online.de", "magenta.de"),
        "secureimap.t-online.de",
        "securepop.t-online.de",
        "Telekom takes the password for mail programs, which is set in its customer centre",
    ),
    Provider("freenet", ("freenet.de",), "mx.freenet.de", "mx.freenet.de"),
    Provider(
        "Proton",
        ("proton.me", "protonmail.com", "protonmail.ch", "pm.me"),
        "127.0.0.1:1143",
        note="Proton needs its Bridge, which runs on this machine; take login and password from it",
        exchangers=("protonmail.ch",),
    ),
    Provider(
        "Tuta",
        ("tuta.com", "tuta.io", "tutanota.com", "tutanota.de", "tutamail.com", "keemail.me"),
        note="Tuta offers neither IMAP nor POP3, so that no other program can fetch the mail",
        exchangers=("mail.tutanota.de",),
    ),
    Provider(
        "IONOS",
        ("online.de", "onlinehome.de"),
        "imap.ionos.de",
        "pop.ionos.de",
        exchangers=("kundenserver.de", "ionos.de"),
    ),
    Provider("IONOS", (), "imap.ionos.com", "pop.ionos.com", exchangers=("perfora.net",)),
    Provider("Strato", (), "imap.strato.de", "pop3.strato.de", exchangers=("rzone.de",)),
    Provider("Orange", ("orange.fr", "wanadoo.fr"), "imap.orange.fr", "pop.orange.fr"),
    Provider("Free", ("free.fr",), "imap.free.fr", "pop.free.fr", local_login=True),
    Provider("La Poste", ("laposte.net",), "imap.laposte.net", "pop.laposte.net", local_login=True),
    Provider(
        "Mail.ru",
        ("mail.ru", "inbox.ru", "list.ru", "bk.ru"),
        "imap.mail.ru",
        "pop.mail.ru",
        "Mail.ru takes a password for external applications, not that of your account; make one "
        "at https://account.mail.ru/user/2-step-auth/passwords",
    ),
    Provider("Seznam", ("seznam.cz", "email.cz", "post.cz"), "imap.seznam.cz", "pop3.seznam.cz"),
    Provider(
        "QQ",
        ("qq.com",),
        "imap.qq.com",
        "pop.qq.com",
        "QQ takes an authorization code, not the password; IMAP has to be switched on first",
    ),
    Provider(
        "NetEase",
        ("163.com",),
        "imap.163.com",
        "pop.163.com",
        "NetEase takes an authorization code, not the password; IMAP has to be switched on first",
    ),
    Provider(
        "NetEase",
        ("126.com",),
        "imap.126.com",
        "pop.126.com",
        "NetEase takes an authorization code, not the password; IMAP has to be switched on first",
    ),
    Provider("Runbox", ("runbox.com",), "mail.runbox.com", "mail.runbox.com"),
    Provider("Migadu", (), "imap.migadu.com", "pop.migadu.com", exchangers=("migadu.com",)),
    Provider("OVH", (), "ssl0.ovh.net", "ssl0.ovh.net", exchangers=("mail.ovh.net",)),
    Provider("Gandi", (), "mail.gandi.net", "mail.gandi.net", exchangers=("mail.gandi.net",)),
    Provider(
        "Infomaniak",
        ("ik.me", "etik.com"),
        "mail.infomaniak.com",
        "mail.infomaniak.com",
        exchangers=("mta-gw.infomaniak.ch",),
    ),
    Provider(
        "Rackspace",
        (),
        "secure.emailsrvr.com",
        "secure.emailsrvr.com",
        exchangers=("emailsrvr.com",),
    ),
)


def provider_of_domain(domain: str) -> Provider | None:
    """Return the provider whose own domain this is, or None."""
    return next((one for one in PROVIDERS if domain in one.domains), None)


def provider_of_exchanger(host: str) -> Provider | None:
    """Return the provider that receives the mail of a domain at this host, or None."""
    name = host.lower().rstrip(".")
    for one in PROVIDERS:
        if any(name == end or name.endswith(f".{end}") for end in one.exchangers):
            return one
    return None


def provider_of_host(host: str) -> Provider | None:
    """Return the provider whose server this is, or None. A server on this machine is nobody's."""
    name = host.lower().rstrip(".")
    for one in PROVIDERS:
        if name in {one.imap, one.pop3}:
            return one
    return None


def places_at(
    provider: Provider, address: str, protocols: tuple[str, ...], found_by: str
) -> list[Place]:
    """Return where the mail of an address is at a provider, in the order of ``protocols``."""
    login = address.rpartition("@")[0] if provider.local_login else address
    targets = {IMAP: provider.imap, POP3: provider.pop3}
    return [
        place_of(protocol, targets[protocol], login, found_by, provider)
        for protocol in protocols
        if targets[protocol]
    ]
