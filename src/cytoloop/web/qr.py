"""A one-time-code secret as a picture, made here: it goes to no other site."""


def picture(address: str) -> str:
    """The QR picture of `address` as a data: address for an image."""
    import segno  # noqa: PLC0415  (only who sets a credential needs it)

    return str(segno.make(address).svg_data_uri(scale=5, border=3))
