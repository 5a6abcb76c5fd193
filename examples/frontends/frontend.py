# frontend.py - Beautiful UI in minutes
import streamlit as st
import requests

API_URL = "https://localhost:8443/run"

st.title("🏃 Sandrun - Anonymous Code Execution")

code = st.text_area("Code", height=300)
lang = st.selectbox("Language", ["python", "javascript", "bash"])

if st.button("Run", type="primary"):
    with st.spinner("Executing..."):
        res = requests.post(API_URL, json={
            "code": code,
            "interpreter": lang
        })
        st.code(res.json()["output"])
