"""Problems whose answer has to be composed, made here and written as text."""
