"""Settings of reading: where a source's leads say what is read of them, and which are tests."""

from dataclasses import dataclass

from leadkeep.settings.row import setting


@dataclass(frozen=True, kw_only=True)
class FieldsSettings:
    """Where a lead says it: a path such as `answers.q3`, or JMESPath; it counts before a guess."""

    name: str = setting("", "The whole name.", kind="text", example='"answers.full_name"')
    first_name: str = setting("", "The first name.", kind="text", example='"answers.q3.first"')
    last_name: str = setting("", "The last name.", kind="text", example='"answers.q3.last"')
    phone: str = setting("", "The phone number.", kind="text", example='"answers.q4"')
    email: str = setting("", "The email address.", kind="text", example='"answers.q5"')
    vendor_lead_id: str = setting(
        "", "What the vendor calls the lead.", kind="text", example='"event.reference"'
    )
    campaign: str = setting("", "The campaign.", kind="text", example='"headers.\\"x-campaign\\""')
    price: str = setting("", "What the lead costs.", kind="text", example='"sale.amount"')
    address: str = setting("", "Street and house number.", kind="text", example='"home.line1"')
    city: str = setting("", "The city.", kind="text", example='"home.place"')
    region: str = setting("", "State or region.", kind="text", example='"home.st"')
    postal_code: str = setting("", "Postal code.", kind="text", example='"home.code"')
    trusted_form: str = setting(
        "", "URL of the TrustedForm certificate.", kind="text", example='"proof.tf"'
    )
    jornaya: str = setting("", "Jornaya's LeadiD token.", kind="text", example='"proof.jornaya"')
    consent: str = setting(
        "",
        "What the person agreed to, or whether they did.",
        kind="text",
        example='"answers.consent"',
    )
    landing_page: str = setting("", "Page of the form.", kind="text", example='"form.url"')
    ip_address: str = setting(
        "", "Address of the person's device.", kind="text", example='"visitor.address"'
    )
    is_test: str = setting(
        "", "Whether it is a test: true, yes, 1 and the like.", kind="text", example='"flags.demo"'
    )
