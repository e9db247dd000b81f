"""What leaves the newsroom in formats that others have agreed on, each made of a story's state.

Every module is one format, a pure function of the public state and of the place it is served from.
`docs/reference/outputs.md` says where each keeps what its format has no word for.
"""
