"""Sentence embeddings of questions, and which of them are near."""
