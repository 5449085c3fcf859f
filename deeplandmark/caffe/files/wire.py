"""Binary messages looked over before they are parsed, so that a file cannot take memory that it does not fill.

Parsing turns an empty layer of three bytes into some hundred; a file that ends early is read as a whole before that
is noticed. Walking through the records costs next to nothing and finds both.
"""
from deeplandmark.caffe.limits import MAX_MESSAGES

_MAX_RECORDS = 300_000       # fields of all messages; a list of numbers is one
_MAX_WHOLE_NUMBERS = 1 << 20 # bytes of a list of whole numbers: shapes and labels of settings, never data
_VARINT, _EIGHT, _SIZED, _FOUR = 0, 1, 2, 5


class MalformedMessage(ValueError):
    """A message that is cut off, broken or larger than any of Caffe's; its text says which."""


def check_message(data, descriptor):
    """Walks through the records of a message and of those inside it.

    Parameters
    ----------
    data : bytes or mmap
    descriptor : message descriptor
        Fields it does not know are passed over, as parsing does.

    Raises
    ------
    MalformedMessage
    """
    pending, messages, records = [(0, len(data), descriptor)], 0, 0
    while pending:
        place, end, message = pending.pop()
        while place < end:
            records += 1
            if records > _MAX_RECORDS:
                raise MalformedMessage(f"more than {_MAX_RECORDS} fields")
            tag, place = _varint(data, place, end)
            kind, number = tag & 7, tag >> 3
            if kind == _SIZED:
                size, place = _varint(data, place, end)
                if place + size > end:
                    raise MalformedMessage("cut off")
                field = message.fields_by_number.get(number)
                if field is not None and field.message_type:
                    pending.append((place, place + size, field.message_type))
                    messages += 1
                    if messages > MAX_MESSAGES:
                        raise MalformedMessage(f"more than {MAX_MESSAGES} messages inside one another")
                elif field is not None:
                    _check_content(data, place, size, field)
                place += size
            elif kind == _VARINT:
                _, place = _varint(data, place, end)
            elif kind in (_FOUR, _EIGHT):
                place += 4 if kind == _FOUR else 8
            else:
                raise MalformedMessage(f"a field of kind {kind}, which Caffe's messages have not")
            if number == 0:
                raise MalformedMessage("a field without a number")
        if place != end:
            raise MalformedMessage("cut off")


def records(data, place, end):
    """(number, start, start of the content, end) of every field between two places of a message that was checked."""
    while place < end:
        start = place
        tag, place = _varint(data, place, end)
        kind, body = tag & 7, place
        if kind == _SIZED:
            size, body = _varint(data, place, end)
            place = body + size
        elif kind == _VARINT:
            place = _varint(data, place, end)[1]
        else:
            place += 4 if kind == _FOUR else 8
        yield tag >> 3, start, body, place


def varint(number):
    """A whole number, not below 0, as the bytes that stand in a message."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)


def _check_content(data, place, size, field):
    if field.type == field.TYPE_STRING:
        try:
            data[place:place + size].decode()
        except UnicodeDecodeError:
            raise MalformedMessage(f"the text of {field.full_name} is not UTF-8") from None
    elif size > _MAX_WHOLE_NUMBERS and field.cpp_type not in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE,
                                                              field.CPPTYPE_STRING):
        raise MalformedMessage(f"{size} bytes of {field.full_name}")


def _varint(data, place, end):
    value = shift = 0
    while place < end and shift < 70:
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
    raise MalformedMessage("cut off" if place >= end else "a number of more than 10 bytes")
