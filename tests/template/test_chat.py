"""Does the chat's index know what is sent to it?"""

from __future__ import annotations

from tests.template.reading import Template

from usage_anomaly.chat.documents import ATTRIBUTES


def test_index_has_every_attribute_of_a_document_and_no_other(chat_template: Template) -> None:
    """Of an attribute that the index does not know no question can be asked, and nothing says so."""
    (index,) = chat_template.of_type("AWS::QBusiness::Index").values()
    known = index["DocumentAttributeConfigurations"]
    assert {each["Name"]: each["Type"] for each in known} == ATTRIBUTES
    assert {each["Search"] for each in known} == {"ENABLED"}
