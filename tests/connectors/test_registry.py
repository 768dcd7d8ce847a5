"""What holds for the settings of every kind of connection."""

import pytest

from integration_hub.connectors import registry

KINDS = [kind for kind, _ in registry.kinds()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_setting_for_some_choices_names_a_setting_that_has_them(kind):
    settings = {setting.name: setting for setting in registry.connector_class(kind).settings}

    for setting in settings.values():
        name, choices = setting.only_for
        assert not name or {value for value, _ in settings[name].choices} >= set(choices) > set()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_missing_is_a_setting_that_means_something_then(kind):
    connector = registry.connector_class(kind)
    settings = {setting.name: setting for setting in connector.settings}
    defaults = {name: setting.default for name, setting in settings.items()}

    missing = connector.missing(defaults, overridden=False)

    assert missing
    assert all(settings[name].applies(defaults) and not defaults[name] for name in missing)
