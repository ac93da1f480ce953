"""The one page that is not part of the web application: how to trust the local certificate authority."""

from __future__ import annotations

from html import escape
from typing import Final

_PAGE: Final = """<!doctype html>
<html lang="ru">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Zvonok: доверие серверу · trusting the server</title>
<link rel="stylesheet" href="/trust.css">
<link rel="icon" href="/icon.svg">
</head>
<body>
<main>
<h1>Как довериться этому серверу</h1>
<p>Браузер даёт камеру и микрофон только по защищённому соединению. Сервер {origin} подписал свой
сертификат сам, поэтому каждому устройству нужно один раз разрешить ему доверять. Спросите
администратора школы, прежде чем делать это на чужом компьютере.</p>
<p><a href="/trust/ca.crt" download>Скачать сертификат (zvonok-ca.crt)</a></p>
<ul>
<li><b>Windows:</b> откройте файл, «Установить сертификат», «Локальный компьютер», хранилище
«Доверенные корневые центры сертификации». Перезапустите браузер.</li>
<li><b>macOS:</b> откройте файл в «Связке ключей», найдите «Zvonok», в разделе «Доверие» выберите
«Всегда доверять».</li>
<li><b>Android:</b> Настройки, Безопасность, «Установить сертификат», «Сертификат ЦС».</li>
<li><b>iPhone, iPad:</b> откройте файл в Safari, установите профиль, затем Настройки, Основные, Об
этом устройстве, «Доверие сертификатам»: включите.</li>
<li><b>Linux, Chromium:</b> Настройки, Конфиденциальность и безопасность, Сертификаты, Центры
сертификации, Импорт.</li>
<li><b>Firefox:</b> Настройки, Приватность и защита, Сертификаты, Импортировать, отметьте «для
веб-сайтов».</li>
</ul>
</main>
<main lang="en">
<h1>How to trust this server</h1>
<p>A browser gives camera and microphone only over a secure connection. The server {origin} signed
its certificate itself, so each device has to be told once to trust it. Ask the school's
administrator before you do this on a computer that is not yours.</p>
<p><a href="/trust/ca.crt" download>Download the certificate (zvonok-ca.crt)</a></p>
<ul>
<li><b>Windows:</b> open the file, Install Certificate, Local Machine, store "Trusted Root
Certification Authorities". Restart the browser.</li>
<li><b>macOS:</b> open the file in Keychain Access, find "Zvonok", under Trust choose Always
Trust.</li>
<li><b>Android:</b> Settings, Security, Install a certificate, CA certificate.</li>
<li><b>iPhone, iPad:</b> open the file in Safari, install the profile, then Settings, General,
About, Certificate Trust Settings: switch it on.</li>
<li><b>Linux, Chromium:</b> Settings, Privacy and security, Certificates, Authorities, Import.</li>
<li><b>Firefox:</b> Settings, Privacy and Security, Certificates, Import, tick "websites".</li>
</ul>
</main>
</body>
</html>
"""


def trust_page(origin: str) -> str:
    """HTML in both languages, without script; its style is among the built pages (web/public)."""
    return _PAGE.format(origin=escape(origin))
