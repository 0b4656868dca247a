"""Write the expected mails anew, after a change of wording that somebody agreed to: `python -m tests.alerts.rewrite_mails`."""

from __future__ import annotations

from tests.alerts.storming import everywhere, one, organization
from tests.alerts.test_mail import CASES, MAILS
from tests.alerts.test_storm import FORMS

from usage_anomaly.catalog import load

if __name__ == "__main__":
    catalog = load()
    for name, case in CASES.items():
        mail = case(catalog)
        (MAILS / f"{name}.txt").write_text(f"Subject: {mail.subject}\n\n{mail.text}", encoding="utf-8")
    for name, form in FORMS.items():
        (MAILS / name).write_text(form(one(*everywhere(), organization())), encoding="utf-8")
