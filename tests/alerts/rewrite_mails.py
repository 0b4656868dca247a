"""Write what is expected to be said anew, after a change of wording that somebody agreed to.

`python -m tests.alerts.rewrite_mails`: the mails, the alerts of the scenarios, the page on severity.
"""

from __future__ import annotations

import shutil

from tests.alerts.scenarios import FOLDER, SCENARIOS, files
from tests.alerts.severity_page import PAGE, page
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
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name in SCENARIOS:
        (FOLDER / name).mkdir(parents=True)
        for file, text in files(name).items():
            (FOLDER / name / file).write_text(text, encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")
