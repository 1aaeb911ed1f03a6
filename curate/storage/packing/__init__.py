"""Training sequences of one length: conversations by a chat template, documents packed whole."""
