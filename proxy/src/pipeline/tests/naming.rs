//! A resource that is named in the query or in a header.

use super::*;

#[tokio::test]
async fn a_resource_in_query_or_header_is_named_exactly_once() {
    let pipeline = pipeline_over(None);
    let (mine, token) = (MINE, token(ALICE));
    assert!(
        as_alice(&pipeline, &format!("/by-query?x=1&i%64={mine}"))
            .await
            .is_ok()
    );
    for query in [
        "",
        "?",
        "?x=1",
        &format!("?id={mine}&id={YOURS}"),
        &format!("?id={mine};id={YOURS}"),
        &format!("?id={mine}&%69d={YOURS}"),
        &format!("?id={mine}&ID={YOURS}"),
        &format!("?id={mine}&id[]={YOURS}"),
        &format!("?id={mine}&+id={YOURS}"),
        &format!("?id={mine}&i_d={YOURS}"),
        &format!("?id={mine}&id%00x={YOURS}"),
    ] {
        let refused = as_alice(&pipeline, &format!("/by-query{query}"))
            .await
            .unwrap_err();
        assert_eq!(
            (refused.clone(), refused.status().as_u16()),
            (Rejection::UnnamedResource, 400),
            "{query}"
        );
    }
    let nothing = as_alice(&pipeline, "/by-query?id=7").await.unwrap_err();
    assert_eq!(nothing, denied(Reason::NoSuchResource));

    let credential = ("authorization", &*token);
    let named = [credential, ("x-generation", mine)];
    assert!(admit(&pipeline, "/by-header", &named).await.is_ok());
    let twice = [credential, ("x-generation", mine), ("x-generation", mine)];
    assert_eq!(
        admit(&pipeline, "/by-header", &twice).await.unwrap_err(),
        Rejection::UnnamedResource
    );
    let alias = [credential, ("x-generation", mine), ("x_generation", YOURS)];
    assert_eq!(
        admit(&pipeline, "/by-header", &alias).await.unwrap_err(),
        Rejection::UnnamedResource
    );
    assert_eq!(
        admit(&pipeline, "/by-header", &[credential])
            .await
            .unwrap_err(),
        Rejection::UnnamedResource
    );
}
