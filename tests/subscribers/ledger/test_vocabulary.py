"""The terms receipts are made of are those of the Data Privacy Vocabulary, version 2.3, all of them and no others."""

from collections import Counter

import pytest

from subscribers.ledger import vocabulary
from subscribers.ledger.vocabulary import CONTEXT, STATUSES, TERMS


def test_the_list_is_whole() -> None:
    # The counts of the published files: dpv.csv, and what pd.ttl and eu-gdpr.ttl define.
    assert Counter(term.partition(":")[0] for term in TERMS) == {"dpv": 1116, "pd": 231, "eu-gdpr": 234}
    assert {term.partition(":")[0] for term in TERMS} <= CONTEXT.keys()


@pytest.mark.parametrize(
    "term",
    [
        *("dpv:TermsOfService", "dpv:hasContractualClause", "dpv:ServiceManagement", "dpv:hasAddress"),
        *("pd:EmailAddress", "pd:WorkLocation", "eu-gdpr:A7-3", "eu-gdpr:A6-1-a-explicit-consent"),
        *STATUSES.values(),
    ],
)
def test_what_is_there_is_known(term: str) -> None:
    assert term in TERMS


# What the guide to ISO/IEC TS 27560 uses and the vocabulary has not, or not any more, and what it never had.
@pytest.mark.parametrize(
    "term",
    [
        *("dpv:ConsentTerminated", "dpv:hasDataStorageCondition", "dpv:AutomationOfProcessing", "dpv:isIndicationTime"),
        *("dpv:PrivacyPolicy", "dpv:Newsletter", "pd:Email", "eu-gdpr:A7"),
    ],
)
def test_what_is_not_is_told(term: str) -> None:
    assert vocabulary.unknown({"@type": [term], "dpv:hasName": ["x"]}) == {term}
