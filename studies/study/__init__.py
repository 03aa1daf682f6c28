"""The study of docs/study.md: does targeting missing skills work on the arithmetic domain?"""
