"""Reading training dumps that LArSoft has written."""
