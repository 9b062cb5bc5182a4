"""What LArSoft's C++ clients need of a served model, checked on files and on servers."""
